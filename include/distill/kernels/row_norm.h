// RMS norm and layer norm, differentiable. They keep their input and one or two numbers per row for the backward pass, nothing
// else.
#pragma once

#include <ATen/core/TensorBody.h>

namespace distill {

// y = x / sqrt(mean(x^2) + eps) * (weight + (plus_one ? 1 : 0)) over the last axis, in float32 or wider.
// x [..., D] and weight_D floating; y has x's shape and `out_dtype`. The gradient of x has x's type, that of the weight the
// weight's. Bits do not depend on the number of threads and are the same in every run.
// Source: https://arxiv.org/abs/1910.07467.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight_D, double eps, bool plus_one, at::ScalarType out_dtype);

// y = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias; bias_D may be undefined. The rest as above.
// Source: https://arxiv.org/abs/1607.06450.
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight_D, const at::Tensor& bias_D, double eps,
                      at::ScalarType out_dtype);

}  // namespace distill
