// What one pair of layers costs: sums over the chosen positions, in float32 or wider, differentiable by autograd.
#pragma once

#include <ATen/core/TensorBody.h>

namespace distill {

// Rows of hidden states [N,D], equal widths; the sum over rows as a scalar.
at::Tensor hidden_mse_sum(const at::Tensor& student_ND, const at::Tensor& teacher_ND);     // mean over features
at::Tensor hidden_cosine_sum(const at::Tensor& student_ND, const at::Tensor& teacher_ND);  // 1 - cosine

// Attention probabilities [B,H,T,T] and flat positions b * T + t [N]; squared L2 distance of a position's two rows (sum over
// keys), mean over heads. Head counts that differ are compared through their mean over heads.
at::Tensor attention_mse_sum(const at::Tensor& student_BHTT, const at::Tensor& teacher_BHTT, const at::Tensor& positions_N);

// float16 and bfloat16 become float32; wider types stay.
at::Tensor widened(const at::Tensor& tensor);

}  // namespace distill
