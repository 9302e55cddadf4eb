// Rotary positions, differentiable. Nothing of the input is kept: the backward pass turns the other way.
#pragma once

#include <ATen/core/TensorBody.h>

namespace distill {

// x_BTHK any floating type; the first 2R channels of each head turn by the angles of row rows_BT[b, t] of the tables cos_PR and
// sin_PR (float32, or float64 for a float64 x); the others stay. rows_BT int64 may be undefined: then row t. `interleaved` pairs
// channels (2i, 2i + 1), otherwise (i, i + R). The result is contiguous and has x's type; arithmetic in the tables' type. Source:
// https://arxiv.org/abs/2104.09864.
at::Tensor rope(const at::Tensor& x_BTHK, const at::Tensor& cos_PR, const at::Tensor& sin_PR, const at::Tensor& rows_BT,
                bool interleaved);

}  // namespace distill
