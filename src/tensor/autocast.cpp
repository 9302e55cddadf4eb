// The guard around at::autocast, which has no scope of its own in C++.
#include "distill/tensor/autocast.h"

#include <ATen/autocast_mode.h>

namespace distill {

AutocastGuard::AutocastGuard(at::Device device, std::optional<at::ScalarType> dtype)
    : type_(device.type()),
      was_enabled_(at::autocast::is_autocast_enabled(type_)),
      old_dtype_(at::autocast::get_autocast_dtype(type_)),
      cache_was_enabled_(at::autocast::is_autocast_cache_enabled()) {
  if (dtype) at::autocast::set_autocast_dtype(type_, *dtype);
  at::autocast::set_autocast_enabled(type_, dtype.has_value());
  at::autocast::set_autocast_cache_enabled(true);
  at::autocast::increment_nesting();
}

AutocastGuard::~AutocastGuard() {
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(type_, was_enabled_);
  at::autocast::set_autocast_dtype(type_, old_dtype_);
  at::autocast::set_autocast_cache_enabled(cache_was_enabled_);
}

std::optional<at::ScalarType> autocast_dtype(at::Device device) {
  if (!at::autocast::is_autocast_enabled(device.type())) return std::nullopt;
  return at::autocast::get_autocast_dtype(device.type());
}

}  // namespace distill
