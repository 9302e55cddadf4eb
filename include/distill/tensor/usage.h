// What a device is and how much memory has been used: for start-up lines and summaries.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <string>

namespace distill {

// 75 for sm_75. DeviceError when the CUDA runtime does not answer.
int compute_capability(at::Device device);
// "cpu (2 threads)", "cuda:0 (sm_75)".
std::string device_text(at::Device device);
// Peak resident memory of this process, from the kernel.
uint64_t peak_host_bytes();
// Peak of the tensors on the GPU; 0 for a CPU.
uint64_t peak_device_bytes(at::Device device);
// Bytes of a GPU that nothing holds, this process's own cached blocks included; 0 for a CPU.
uint64_t free_device_bytes(at::Device device);

}  // namespace distill
