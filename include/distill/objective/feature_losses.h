// What rows of hidden states cost: sums over rows, in float32 or wider, differentiable by autograd.
#pragma once

#include <ATen/core/TensorBody.h>

namespace distill {

// Rows [N,D], equal widths; the sum over rows as a scalar.
at::Tensor hidden_mse_sum(const at::Tensor& student_ND, const at::Tensor& teacher_ND);     // mean over features
at::Tensor hidden_l1_sum(const at::Tensor& student_ND, const at::Tensor& teacher_ND);      // |s - t|, mean over features
at::Tensor hidden_cosine_sum(const at::Tensor& student_ND, const at::Tensor& teacher_ND);  // 1 - cosine
// Squared L2 distance of the rows scaled to length 1. Source: Patient Knowledge Distillation, https://arxiv.org/abs/1908.09355.
at::Tensor pkd_sum(const at::Tensor& student_ND, const at::Tensor& teacher_ND);

// Rows of the last axis scaled to length 1; rows shorter than 1e-12 stay short.
at::Tensor normalised(const at::Tensor& rows_ND);

// float16 and bfloat16 become float32; wider types stay.
at::ScalarType widened_type(at::ScalarType type);
at::Tensor widened(const at::Tensor& tensor);

}  // namespace distill
