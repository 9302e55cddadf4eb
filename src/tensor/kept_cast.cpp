#include "distill/tensor/kept_cast.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include "distill/core/error.h"

namespace distill {

const at::Tensor& KeptCast::of(const at::Tensor& weight) {
  if (!dtype_) throw Bug("a cast was asked for that nobody keeps");
  if (is_current(weight)) return copy_;
  const at::NoGradGuard no_grad;
  const bool fits = copy_.defined() && copy_.scalar_type() == *dtype_ && copy_.sizes() == weight.sizes() &&
                    copy_.strides() == weight.strides() && copy_.device() == weight.device();
  if (!fits) copy_ = at::empty_like(weight, weight.options().dtype(*dtype_).requires_grad(false));
  copy_.copy_(weight);
  set_current(weight);
  return copy_;
}

bool KeptCast::is_current(const at::Tensor& weight) const {
  // Inference tensors count no versions.
  return copy_.defined() && copy_.scalar_type() == dtype_ && source_.is_same(weight) && !weight.is_inference() &&
         weight._version() == version_;
}

void KeptCast::set_current(const at::Tensor& weight) {
  source_ = weight;
  version_ = weight.is_inference() ? 0 : weight._version();
}

}  // namespace distill
