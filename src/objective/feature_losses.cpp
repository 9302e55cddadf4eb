#include "distill/objective/feature_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cosine_similarity.h>

namespace distill {

at::Tensor widened(const at::Tensor& tensor) {
  const bool narrow = tensor.scalar_type() == at::kHalf || tensor.scalar_type() == at::kBFloat16;
  return narrow ? tensor.to(at::kFloat) : tensor;
}

at::Tensor hidden_mse_sum(const at::Tensor& student_ND, const at::Tensor& teacher_ND) {
  return (student_ND - teacher_ND).square().mean(1).sum();
}

at::Tensor hidden_cosine_sum(const at::Tensor& student_ND, const at::Tensor& teacher_ND) {
  return (1 - at::cosine_similarity(student_ND, teacher_ND, 1, 1e-8)).sum();
}

at::Tensor attention_mse_sum(const at::Tensor& student_BHTT, const at::Tensor& teacher_BHTT, const at::Tensor& positions_N) {
  const bool same_heads = student_BHTT.size(1) == teacher_BHTT.size(1);
  const at::Tensor difference =
      same_heads ? student_BHTT - teacher_BHTT : student_BHTT.mean(1, /*keepdim=*/true) - teacher_BHTT.mean(1, /*keepdim=*/true);
  const at::Tensor distance_BT = difference.square().sum(3).mean(1);
  return distance_BT.reshape({-1}).index_select(0, positions_N).sum();
}

}  // namespace distill
