// Token embeddings and the in-place accumulation of their gradient.
#include "distill/model/embedding.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

namespace distill {
namespace {

// Each thread owns some columns and walks through all tokens: no two threads meet, and the order of additions is fixed.
template <class Scalar>
void add_rows(at::Tensor& into_VD, const at::Tensor& ids_N, const at::Tensor& rows_ND) {
  const int64_t size = rows_ND.size(1), count = rows_ND.size(0), stride = into_VD.stride(0);
  const int64_t* ids = ids_N.const_data_ptr<int64_t>();
  const Scalar* rows = rows_ND.const_data_ptr<Scalar>();
  Scalar* into = into_VD.mutable_data_ptr<Scalar>();
  at::parallel_for(0, size, 64, [&](int64_t begin, int64_t end) {
    for (int64_t n = 0; n < count; ++n) {
      Scalar* to = into + ids[n] * stride;
      const Scalar* from = rows + n * size;
#pragma omp simd
      for (int64_t d = begin; d < end; ++d) to[d] = static_cast<Scalar>(to[d] + from[d]);
    }
  });
}

void accumulate(at::Tensor& into_VD, const at::Tensor& ids_N, const at::Tensor& rows_ND) {
  if (!into_VD.device().is_cpu() || into_VD.stride(1) != 1) {
    into_VD.index_add_(0, ids_N, rows_ND);
    return;
  }
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, into_VD.scalar_type(), "embedding_backward",
                                  [&] { add_rows<scalar_t>(into_VD, ids_N, rows_ND); });
}

struct EmbedFunction : torch::autograd::Function<EmbedFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& weight_VD, const at::Tensor& ids_BT) {
    context->save_for_backward({weight_VD, ids_BT});
    return at::embedding(weight_VD, ids_BT);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    at::Tensor weight_VD = saved[0];
    at::Tensor& grad_VD = weight_VD.mutable_grad();
    if (!grad_VD.defined()) grad_VD = at::zeros_like(weight_VD);
    const at::Tensor rows_ND = grads[0].to(grad_VD.scalar_type()).reshape({-1, weight_VD.size(1)}).contiguous();
    accumulate(grad_VD, saved[1].reshape(-1), rows_ND);
    return {at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor embed(const at::Tensor& weight_VD, const at::Tensor& ids_BT) {
  if (weight_VD.requires_grad() && weight_VD.is_leaf()) return EmbedFunction::apply(weight_VD, ids_BT.contiguous());
  return at::embedding(weight_VD, ids_BT);
}

}  // namespace distill
