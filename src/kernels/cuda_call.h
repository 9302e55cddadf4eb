// From tensors to what launchers take: element types, the current stream of the tensor's device, and errors.
#pragma once

#include <ATen/core/TensorBody.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "elements.h"

namespace distill {

inline ElementType element_type(const at::Tensor& x) {
  switch (x.scalar_type()) {
    case at::kHalf:
      return ElementType::f16;
    case at::kBFloat16:
      return ElementType::bf16;
    case at::kFloat:
      return ElementType::f32;
    case at::kDouble:
      return ElementType::f64;
    default:
      TORCH_CHECK(false, "floating values expected, found ", x.scalar_type());
  }
}

// Null for an undefined tensor.
inline Source source_of(const at::Tensor& x) { return x.defined() ? Source{x.const_data_ptr(), element_type(x)} : Source{}; }
inline Sink sink_of(const at::Tensor& x) { return x.defined() ? Sink{x.mutable_data_ptr(), element_type(x)} : Sink{}; }

// Makes the tensor's device the current one while it lives.
class CudaCall {
 public:
  explicit CudaCall(const at::Tensor& x)
      : device_(x.device()), stream_(c10::impl::VirtualGuardImpl(x.device().type()).getStream(x.device()).native_handle()) {}
  void* stream() const { return stream_; }

 private:
  c10::DeviceGuard device_;
  void* stream_;
};

inline void check_launch(int error, const char* kernel) { TORCH_CHECK(error == 0, kernel, ": CUDA error ", error); }

}  // namespace distill
