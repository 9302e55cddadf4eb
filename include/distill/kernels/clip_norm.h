// The global L2 norm of many gradients, and clipping by it. Nothing waits for the device.
#pragma once

#include <ATen/core/TensorBody.h>

namespace distill {

// Scalar on the gradients' device; float64 (sums of squares of float32 overflow long before the gradients do). inf or NaN
// anywhere makes it inf or NaN. An empty list gives 0.
at::Tensor global_norm(at::TensorList gradients);

// min(1, max_norm / norm): what gradients are multiplied with. Scalar, of the norm's type and device.
at::Tensor clip_factor(const at::Tensor& norm, double max_norm);

}  // namespace distill
