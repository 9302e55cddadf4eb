// Root-mean-square norm, differentiable. It keeps its input and one number per row for the backward pass, nothing else.
#pragma once

#include <ATen/core/TensorBody.h>

namespace distill {

// y = x / sqrt(mean(x^2) + eps) * (weight + (plus_one ? 1 : 0)) over the last axis, in float32 or wider.
// x [..., D] and weight_D floating; y has x's shape and `out_dtype`. The gradient of x has x's type, that of the weight the
// weight's. On a CPU the bits do not depend on the number of threads.
// Source: https://arxiv.org/abs/1910.07467.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight_D, double eps, bool plus_one, at::ScalarType out_dtype);

}  // namespace distill
