# Finds the LibTorch inside a PyPI torch package and offers it as `distill::torch`.
# find_package(Torch) is avoided on purpose: with a CUDA wheel it insists on a CUDA toolkit and rewrites architectures.
set(DISTILL_TORCH_ROOT "" CACHE PATH "The `torch` package folder that holds include/ and lib/ (found when empty)")

function(distill_find_torch result)
  set(candidates "${DISTILL_TORCH_ROOT}" "$ENV{DISTILL_TORCH_ROOT}" "${PROJECT_SOURCE_DIR}/.deps/torch")
  find_program(python NAMES python3 python)
  if(python)
    execute_process(
      COMMAND "${python}" -c
              "import importlib.util as u, os; s = u.find_spec('torch'); print(os.path.dirname(s.origin) if s and s.origin else '')"
      OUTPUT_VARIABLE active OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    list(APPEND candidates "${active}")
  endif()
  if(DEFINED ENV{XDG_CACHE_HOME})
    list(APPEND candidates "$ENV{XDG_CACHE_HOME}/distill/torch-2.11.0/torch")
  else()
    list(APPEND candidates "$ENV{HOME}/.cache/distill/torch-2.11.0/torch")
  endif()
  foreach(root IN LISTS candidates)
    if(root AND EXISTS "${root}/include/ATen/core/TensorBody.h" AND EXISTS "${root}/lib/libtorch_cpu.so")
      set(${result} "${root}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "LibTorch was not found. Expected a torch >= 2.11 package folder (include/ and lib/) in one of:\n"
                      "  -DDISTILL_TORCH_ROOT=, the environment, .deps/torch, the active Python, the user's cache.\n"
                      "Run scripts/run.sh or scripts/test.sh: they fetch it once for all clones.")
endfunction()

distill_find_torch(torch_root)
file(STRINGS "${torch_root}/include/torch/headeronly/version.h" version_lines REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
if(NOT version_lines)
  file(STRINGS "${torch_root}/include/torch/csrc/api/include/torch/version.h" version_lines
       REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
endif()
string(REGEX REPLACE "[^;0-9]*([0-9]+)" "\\1" version_numbers "${version_lines}")
list(JOIN version_numbers "." DISTILL_TORCH_VERSION)
if(DISTILL_TORCH_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR "torch ${DISTILL_TORCH_VERSION} in ${torch_root} is too old: 2.11 or newer is needed.")
endif()
message(STATUS "LibTorch ${DISTILL_TORCH_VERSION}: ${torch_root}")

add_library(distill_torch INTERFACE)
add_library(distill::torch ALIAS distill_torch)
target_include_directories(distill_torch SYSTEM INTERFACE "${torch_root}/include"
                                                          "${torch_root}/include/torch/csrc/api/include")
target_compile_definitions(distill_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
target_link_libraries(distill_torch INTERFACE "${torch_root}/lib/libtorch.so" "${torch_root}/lib/libtorch_cpu.so"
                                              "${torch_root}/lib/libc10.so")
target_link_options(distill_torch INTERFACE "LINKER:-rpath,${torch_root}/lib" "LINKER:--allow-shlib-undefined")
set(DISTILL_TORCH_HAS_CUDA OFF)
if(EXISTS "${torch_root}/lib/libtorch_cuda.so")
  set(DISTILL_TORCH_HAS_CUDA ON)
  # The CUDA backend registers itself when it is loaded; no symbol refers to it, so --as-needed would drop it.
  target_link_options(distill_torch INTERFACE
    "LINKER:--no-as-needed,${torch_root}/lib/libtorch_cuda.so,${torch_root}/lib/libc10_cuda.so,--as-needed")
endif()
