// A learned layer mapping: a student layer follows a softmax-weighted mix of all of the teacher's layers.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <vector>

namespace distill {

using RowLoss = at::Tensor (*)(const at::Tensor& student_ND, const at::Tensor& teacher_ND);

// Trained logits of the mix [L], zeros: it starts uniform.
at::Tensor make_layer_mix(int64_t num_layers, const at::TensorOptions& options);

// loss(student_ND, sum over l of softmax(mix_L)[l] * rows of teacher layer l), differentiable by both; the rows of the teacher's
// layers [B,T,D] at flat positions [N] are gathered a few at a time, and again in the backward pass.
at::Tensor mixed_sum(RowLoss loss, const at::Tensor& student_ND, const at::Tensor& mix_L,
                     const std::vector<at::Tensor>& teacher_layers_BTD, const at::Tensor& positions_N);

}  // namespace distill
