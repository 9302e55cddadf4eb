#include "distill/objective/feature_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/linalg_vector_norm.h>

namespace distill {

at::ScalarType widened_type(at::ScalarType type) { return type == at::kHalf || type == at::kBFloat16 ? at::kFloat : type; }
at::Tensor widened(const at::Tensor& tensor) { return tensor.to(widened_type(tensor.scalar_type())); }

at::Tensor normalised(const at::Tensor& rows_ND) {
  return rows_ND / at::linalg_vector_norm(rows_ND, 2, at::IntArrayRef{-1}, /*keepdim=*/true).clamp_min(1e-12);
}

at::Tensor hidden_mse_sum(const at::Tensor& student_ND, const at::Tensor& teacher_ND) {
  return (student_ND - teacher_ND).square().mean(1).sum();
}

at::Tensor hidden_l1_sum(const at::Tensor& student_ND, const at::Tensor& teacher_ND) {
  return (student_ND - teacher_ND).abs().mean(1).sum();
}

at::Tensor hidden_cosine_sum(const at::Tensor& student_ND, const at::Tensor& teacher_ND) {
  return (1 - at::cosine_similarity(student_ND, teacher_ND, 1, 1e-8)).sum();
}

at::Tensor pkd_sum(const at::Tensor& student_ND, const at::Tensor& teacher_ND) {
  return (normalised(student_ND) - normalised(teacher_ND)).square().sum();
}

}  // namespace distill
