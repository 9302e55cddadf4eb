// The CUDA side of gated products: raw pointers and a stream, no torch headers.
#pragma once

#include <cstdint>

#include "distill/kernels/gate.h"

#include "elements.h"

namespace distill {

// Rows of gate and up with a stride in elements; columns are dense.
struct GatedRows {
  Source gate, up;
  int64_t gate_stride = 0, up_stride = 0;
  int64_t num_rows = 0, num_columns = 0;
  Gate kind = Gate::silu;
};

// Both return a CUDA error code, 0 when the launch went well. Gradients and the product are contiguous.
int launch_gated_forward(const GatedRows& rows, Sink product, void* stream);
int launch_gated_backward(const GatedRows& rows, Source gradient, Sink gate_gradient, Sink up_gradient, void* stream);

}  // namespace distill
