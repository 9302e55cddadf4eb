// Devices by name, and why one is not there.
#pragma once

#include <ATen/core/TensorBody.h>

#include <string>

namespace distill {

// "auto" (the first GPU when there is one, else the CPU), "cpu", "cuda" (= "cuda:0") or "cuda:N".
// RecipeError for another word; DeviceError when the GPU is missing, saying why and what to do.
at::Device parse_device(const std::string& word);
bool has_cuda();
int64_t num_cuda_devices();
// "cpu", "cuda:0".
std::string device_word(at::Device device);
// Why no GPU can be used, as a sentence's predicate, and the next step. Empty when there is one.
struct MissingCuda {
  std::string reason;
  std::string advice;
};
MissingCuda why_no_cuda();

}  // namespace distill
