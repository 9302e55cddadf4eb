# Finds the LibTorch inside a PyPI torch package and offers it as `distill::torch`.
# find_package(Torch) is avoided on purpose: with a CUDA wheel it insists on a CUDA toolkit and rewrites architectures.
set(DISTILL_TORCH_ROOT "" CACHE PATH "The `torch` package folder that holds include/ and lib/ (found when empty)")

include(FindTorchFolder)
distill_find_torch("${PROJECT_SOURCE_DIR}" torch_root torch_looked_at)
if(NOT torch_root)
  message(FATAL_ERROR "LibTorch was not found. Expected a torch >= 2.11 package folder (include/ and lib/) as -DDISTILL_TORCH_ROOT=, "
                      "in the environment, in .deps/torch, in the active Python or in the user's cache. Found:${torch_looked_at}\n"
                      "Run scripts/run.sh or scripts/test.sh: they fetch it once for all clones.")
endif()
distill_torch_version("${torch_root}" DISTILL_TORCH_VERSION)
message(STATUS "LibTorch ${DISTILL_TORCH_VERSION}: ${torch_root}")

add_library(distill_torch INTERFACE)
add_library(distill::torch ALIAS distill_torch)
target_include_directories(distill_torch SYSTEM INTERFACE "${torch_root}/include"
                                                          "${torch_root}/include/torch/csrc/api/include")
target_compile_definitions(distill_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
target_link_libraries(distill_torch INTERFACE "${torch_root}/lib/libtorch.so" "${torch_root}/lib/libtorch_cpu.so"
                                              "${torch_root}/lib/libc10.so")
target_link_options(distill_torch INTERFACE "LINKER:-rpath,${torch_root}/lib" "LINKER:--allow-shlib-undefined")
# libtorch.so of the wheel exports pieces of an older libstdc++, std::filesystem::remove_all among them, that crash when our code
# calls them. The loader takes the first library that has a symbol, so the real libstdc++ must stand first.
target_link_options(distill_torch INTERFACE "SHELL:-Wl,--no-as-needed -lstdc++ -Wl,--as-needed")
set(DISTILL_TORCH_HAS_CUDA OFF)
if(EXISTS "${torch_root}/lib/libtorch_cuda.so")
  set(DISTILL_TORCH_HAS_CUDA ON)
  # The CUDA backend registers itself when it is loaded; no symbol refers to it, so --as-needed would drop it.
  target_link_options(distill_torch INTERFACE
    "LINKER:--no-as-needed,${torch_root}/lib/libtorch_cuda.so,${torch_root}/lib/libc10_cuda.so,--as-needed")
endif()
