#include <torch/version.h>

#include <cstdio>

#include "distill/cli/verbs_version.h"
#include "distill/core/json_reader.h"
#include "distill/tensor/device.h"

// DISTILL_VERSION and DISTILL_CUDA_ARCHITECTURES ("" without CUDA) come from the build.
namespace distill {

int run_version(bool json) {
  const std::string architectures = DISTILL_CUDA_ARCHITECTURES;
  const Json facts = {
      {"version", DISTILL_VERSION},          {"torch", TORCH_VERSION},     {"cuda_kernels", !architectures.empty()},
      {"cuda_architectures", architectures}, {"gpus", num_cuda_devices()}, {"compiler", __VERSION__}};
  if (json) {
    std::printf("%s\n", facts.dump(2).c_str());
    return 0;
  }
  std::printf("distill %s, torch %s, CUDA kernels %s, %lld GPU(s) found\n", DISTILL_VERSION, TORCH_VERSION,
              architectures.empty() ? "not built" : architectures.c_str(), static_cast<long long>(num_cuda_devices()));
  return 0;
}

}  // namespace distill
