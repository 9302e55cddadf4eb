// Mixed precision as a scope. One guard covers one forward pass: the cache of cast weights ends with it, so a later optimizer
// step is never missed and a pass without gradients never feeds one with gradients.
#pragma once

#include <ATen/core/TensorBody.h>

#include <optional>

namespace distill {

// Turns autocast on with `dtype` for the device's type (off with nullopt) and puts everything back when it ends. State is
// per thread: backward passes and recomputation set their own guard.
class AutocastGuard {
 public:
  AutocastGuard(at::Device device, std::optional<at::ScalarType> dtype);
  ~AutocastGuard();
  AutocastGuard(const AutocastGuard&) = delete;
  AutocastGuard& operator=(const AutocastGuard&) = delete;

 private:
  at::DeviceType type_;
  bool was_enabled_;
  at::ScalarType old_dtype_;
  bool cache_was_enabled_;
};

// What a guard would have to be given to restore the present state.
std::optional<at::ScalarType> autocast_dtype(at::Device device);

}  // namespace distill
