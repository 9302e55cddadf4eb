// The gated product of a feed-forward layer, act(gate) * up (SwiGLU, GeGLU and their kin), differentiable. It keeps gate and up
// for the backward pass and nothing else.
#pragma once

#include <ATen/core/TensorBody.h>

#include "distill/kernels/gate.h"

namespace distill {

// gate and up [..., F] of one type and shape, possibly halves of one product; the result is contiguous and of their type,
// arithmetic in float32 or wider. Source: https://arxiv.org/abs/2002.05202.
at::Tensor gated_product(const at::Tensor& gate, const at::Tensor& up, Gate kind);

}  // namespace distill
