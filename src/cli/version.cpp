#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/version.h>

#include <cstdio>

#include "distill/cli/verbs_version.h"
#include "distill/core/json_reader.h"
#include "distill/tensor/device.h"

// DISTILL_VERSION, DISTILL_TORCH_CUDA ("13.0", "" for a torch without CUDA) and DISTILL_CUDA_ARCHITECTURES ("" without our
// kernels) come from the build.
namespace distill {
namespace {

// 0 where torch's CUDA part has none. cuDNN comes through torch and needs no GPU to tell its version.
int64_t cudnn_version() {
  const auto& hooks = at::detail::getCUDAHooks();
  return hooks.compiledWithCuDNN() ? hooks.versionCuDNN() : 0;
}

}  // namespace

int run_version(bool json) {
  const std::string architectures = DISTILL_CUDA_ARCHITECTURES, cuda = DISTILL_TORCH_CUDA;
  const MissingCuda missing = why_no_cuda();
  const Json facts = {{"version", DISTILL_VERSION},
                      {"torch", TORCH_VERSION},
                      {"cuda", cuda.empty() ? Json() : Json(cuda)},
                      {"cudnn", cudnn_version() == 0 ? Json() : Json(cudnn_version())},
                      {"cuda_kernels", !architectures.empty()},
                      {"cuda_architectures", architectures},
                      {"gpus", num_cuda_devices()},
                      {"why_no_gpu", missing.reason.empty() ? Json() : Json(missing.reason)},
                      {"compiler", __VERSION__}};
  if (json) {
    std::printf("%s\n", facts.dump(2).c_str());
    return 0;
  }
  std::printf("distill %s, torch %s%s%s, CUDA kernels %s, %lld GPU(s) found\n", DISTILL_VERSION, TORCH_VERSION,
              cuda.empty() ? "" : " with CUDA ", cuda.c_str(), architectures.empty() ? "not built" : architectures.c_str(),
              static_cast<long long>(num_cuda_devices()));
  return 0;
}

}  // namespace distill
