#include "distill/tensor/device.h"

#include <dlfcn.h>

#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/cuda.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "distill/core/error.h"

namespace distill {
namespace {

// The index of "cuda:N"; nullopt when the word is not of this form.
std::optional<int> cuda_index(const std::string& word) {
  if (word == "cuda") return 0;
  if (word.rfind("cuda:", 0) != 0 || word.size() < 6 || word.size() > 8) return std::nullopt;
  int index = 0;
  for (const char digit : word.substr(5)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    index = index * 10 + (digit - '0');
  }
  return index;
}

bool driver_is_installed() {
  void* library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (library) dlclose(library);
  return library != nullptr;
}

// An empty list or one that starts with -1 hides every GPU.
bool hidden_by_environment() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible && (visible[0] == '\0' || visible[0] == '-');
}

}  // namespace

// A GPU that torch sees is of no use to a build without our kernels.
#ifdef DISTILL_WITH_CUDA
constexpr bool kBuiltWithCuda = true;
#else
constexpr bool kBuiltWithCuda = false;
#endif

bool has_cuda() { return kBuiltWithCuda && torch::cuda::is_available(); }
int64_t num_cuda_devices() { return static_cast<int64_t>(torch::cuda::device_count()); }

MissingCuda why_no_cuda() {
  if (has_cuda()) return {};
  const std::string or_cpu = ", or pass --device cpu";
  if (!kBuiltWithCuda || !at::detail::getCUDAHooks().hasCUDART())
    return {"this binary was built without CUDA", "Build with -DDISTILL_CUDA=ON and a torch that has CUDA" + or_cpu + "."};
  if (hidden_by_environment())
    return {"CUDA_VISIBLE_DEVICES=\"" + std::string(std::getenv("CUDA_VISIBLE_DEVICES")) + "\" hides every GPU",
            "Unset CUDA_VISIBLE_DEVICES" + or_cpu + "."};
  if (!driver_is_installed())
    return {"no NVIDIA driver is installed (libcuda.so.1 was not found)",
            "Choose a machine with a GPU (on Colab: Runtime > Change runtime type), install its driver" + or_cpu + "."};
  if (!std::filesystem::exists("/dev/nvidiactl"))
    return {"an NVIDIA driver library is there, but no device (/dev/nvidiactl is absent)",
            "Give the machine or container a GPU (docker run --gpus all)" + or_cpu + "."};
  return {"the NVIDIA driver offers no usable GPU (it may be too old for this CUDA)",
          "Run nvidia-smi to see what the driver says, update it" + or_cpu + "."};
}

at::Device parse_device(const std::string& word) {
  if (word == "cpu") return at::Device(at::kCPU);
  if (word == "auto") return has_cuda() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  const auto index = cuda_index(word);
  if (!index) throw RecipeError({"device", "auto, cpu, cuda or cuda:N", "\"" + word + "\"", "Choose one of these words.", ""});
  if (const MissingCuda missing = why_no_cuda(); !missing.reason.empty())
    throw DeviceError({"device " + word, "a CUDA GPU", missing.reason, missing.advice, ""});
  const int64_t count = num_cuda_devices();
  if (*index >= count)
    throw DeviceError({"device " + word, "an index below " + std::to_string(count) + ", the number of visible GPUs",
                       std::to_string(*index), "Choose cuda:0 to cuda:" + std::to_string(count - 1) + ".", ""});
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(*index));
}

std::string device_word(at::Device device) { return device.str(); }

}  // namespace distill
