# What keeps a CUDA toolkit from building kernels for a torch package, as one line; "" when nothing does. Apart from Cuda.cmake,
# so that tests/cmake/cuda_toolkit_test.cmake can ask it about toolkits and packages that are not there.

# "13.0" of a torch package folder, "" for one without CUDA.
function(distill_torch_cuda torch_root result)
  set(version "")
  if(EXISTS "${torch_root}/version.py")
    file(STRINGS "${torch_root}/version.py" line REGEX "^cuda[ :=].*'[0-9]+\\.[0-9]+'")
    string(REGEX REPLACE ".*'([0-9]+\\.[0-9]+)'.*" "\\1" version "${line}")
  endif()
  set(${result} "${version}" PARENT_SCOPE)
endfunction()

# "12.8" of an nvcc, "" when it does not say.
function(distill_nvcc_version nvcc result)
  execute_process(COMMAND "${nvcc}" --version OUTPUT_VARIABLE text ERROR_QUIET RESULT_VARIABLE unused)
  set(version "")
  if(text MATCHES "release ([0-9]+\\.[0-9]+)")
    set(version "${CMAKE_MATCH_1}")
  endif()
  set(${result} "${version}" PARENT_SCOPE)
endfunction()

# Compiles a line of C++20 for real: nvcc must know the language, and accept the host compiler.
function(distill_why_no_cpp20 nvcc folder result)
  file(WRITE "${folder}/cpp20.cu" "template <class T> concept Any = true;\n__global__ void f(Any auto* p) { *p = 0; }\n"
                                  "template __global__ void f(float*);\n")
  execute_process(COMMAND "${nvcc}" -std=c++20 -c "${folder}/cpp20.cu" -o "${folder}/cpp20.o"
                  RESULT_VARIABLE status OUTPUT_VARIABLE text ERROR_VARIABLE text)
  set(reason "")
  if(NOT status EQUAL 0)
    string(REGEX MATCH "[^\n]*(fatal|error)[^\n]*" line "${text}")
    set(reason "it does not compile C++20: ${line}")
  endif()
  set(${result} "${reason}" PARENT_SCOPE)
endfunction()

# `nvcc` may be "" or end in NOTFOUND; `folder` takes temporary files.
function(distill_why_no_cuda nvcc torch_root folder result)
  set(reason "")
  distill_torch_cuda("${torch_root}" torch_cuda)
  if(NOT EXISTS "${torch_root}/lib/libtorch_cuda.so" OR NOT torch_cuda)
    set(reason "this torch has no CUDA")
  elseif(NOT nvcc)
    set(reason "nvcc was not found: name it with CUDACXX or CUDA_HOME")
  else()
    distill_nvcc_version("${nvcc}" version)
    string(REGEX REPLACE "\\..*" "" nvcc_major "${version}")
    string(REGEX REPLACE "\\..*" "" torch_major "${torch_cuda}")
    if(NOT version)
      set(reason "${nvcc} does not tell its version")
    elseif(NOT nvcc_major STREQUAL torch_major)
      set(reason "${nvcc} is of CUDA ${version}, torch of CUDA ${torch_cuda}: their major versions must agree")
    else()
      distill_why_no_cpp20("${nvcc}" "${folder}" why)
      if(why)
        set(reason "${nvcc} is of CUDA ${version}: ${why}")
      endif()
    endif()
  endif()
  set(${result} "${reason}" PARENT_SCOPE)
endfunction()
