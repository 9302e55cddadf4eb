#include "distill/tensor/usage.h"

#include <dlfcn.h>
#include <sys/resource.h>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "distill/core/error.h"

namespace distill {
namespace {

// The CUDA runtime is already in the process with torch; asking it by name needs no CUDA headers, so builds without a toolkit
// know their GPU too.
int device_attribute(int attribute, int device) {
  using Function = int (*)(int*, int, int);
  auto* get = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, "cudaDeviceGetAttribute"));
  int value = 0;
  if (!get || get(&value, attribute, device) != 0)
    throw DeviceError(
        {"cuda:" + std::to_string(device), "the CUDA runtime to answer", "no answer", "Check the driver with nvidia-smi.", ""});
  return value;
}

}  // namespace

int compute_capability(at::Device device) {
  constexpr int kMajor = 75, kMinor = 76;  // cudaDevAttrComputeCapabilityMajor, -Minor
  const int index = device.has_index() ? device.index() : 0;
  return 10 * device_attribute(kMajor, index) + device_attribute(kMinor, index);
}

std::string device_text(at::Device device) {
  if (device.is_cpu()) {
    const int threads = at::get_num_threads();
    return "cpu (" + std::to_string(threads) + (threads == 1 ? " thread)" : " threads)");
  }
  return device.str() + " (sm_" + std::to_string(compute_capability(device)) + ")";
}

uint64_t peak_host_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

uint64_t peak_device_bytes(at::Device device) {
  if (device.is_cpu()) return 0;
  const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  return static_cast<uint64_t>(stats.allocated_bytes[0].peak);  // 0: all pools together
}

uint64_t free_device_bytes(at::Device device) {
  if (device.is_cpu()) return 0;
  at::globalContext().lazyInitDevice(device.type());  // nothing may have been placed there yet
  auto* allocator = c10::getDeviceAllocator(device.type());
  const auto stats = allocator->getDeviceStats(device.index());
  const auto cached = static_cast<uint64_t>(stats.reserved_bytes[0].current - stats.allocated_bytes[0].current);
  return allocator->getMemoryInfo(device.index()).first + cached;
}

}  // namespace distill
