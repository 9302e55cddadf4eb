#include "distill/kernels/row_source.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include "distill/kernels/gemm.h"

namespace distill {

HeadRows::HeadRows(at::Tensor rows_ND, LinearHead head) : rows_ND_(std::move(rows_ND)), head_(std::move(head)) {}

void HeadRows::write_logits(int64_t begin, const at::Tensor& logits_CV) const {
  const int64_t count = logits_CV.size(0), vocab = logits_CV.size(1);
  const at::Tensor rows_CD = rows_ND_.narrow(0, begin, count);
  if (head_.identity)
    logits_CV.copy_(rows_CD.narrow(1, 0, vocab));
  else
    gemm::mm_out(logits_CV, rows_CD, head_.weight_VD.narrow(0, 0, vocab).t());
  if (head_.bias_V.defined()) logits_CV.add_(head_.bias_V.narrow(0, 0, vocab));
  if (head_.soft_cap > 0) logits_CV.div_(head_.soft_cap).tanh_().mul_(head_.soft_cap);
}

LinearHead HeadCast::get(const LinearHead& head, at::ScalarType dtype) {
  LinearHead cast{head.weight_VD, {}, head.soft_cap, head.identity};
  if (head.bias_V.defined()) cast.bias_V = head.bias_V.to(dtype);
  if (head.identity || head.weight_VD.scalar_type() == dtype) return cast;
  const at::Tensor& weight_VD = head.weight_VD;
  const bool same = source_VD_.is_same(weight_VD) && cast_VD_.scalar_type() == dtype;
  // Not every update of a trained weight moves its version counter (ATen's fused optimizers do not).
  const bool settled = !weight_VD.requires_grad() && !weight_VD.is_inference();
  if (!same || !settled || version_ != weight_VD._version()) {
    if (!same) cast_VD_ = at::empty_like(weight_VD, weight_VD.options().dtype(dtype).requires_grad(false));
    const at::NoGradGuard no_grad;
    cast_VD_.copy_(weight_VD);
    source_VD_ = weight_VD;
    version_ = settled ? weight_VD._version() : 0;
  }
  cast.weight_VD = cast_VD_;
  return cast;
}

}  // namespace distill
