// The CUDA side of the norms: raw pointers and a stream, no torch headers.
#pragma once

#include <cstdint>

#include "elements.h"

namespace distill {

// Contiguous rows. Statistics are float32, or float64 when `wide`; `mean` null in an RMS norm.
struct NormRows {
  Source x, weight, bias;  // bias may be null
  void* mean = nullptr;
  void* rstd = nullptr;
  int64_t num_rows = 0, size = 0;
  double eps = 0;
  bool plus_one = false, wide = false;
};

// Both return a CUDA error code, 0 when the launch went well. Forward writes y and the statistics.
int launch_norm_forward(const NormRows& rows, Sink y, void* stream);
// dx may be null. Sums of parts of the rows for the weight and the bias: [num_parts, size] in the type of the statistics; null =
// not wanted.
int launch_norm_backward(const NormRows& rows, Source gradient, Sink dx, Sink weight_parts, Sink bias_parts, int64_t num_parts,
                         void* stream);

}  // namespace distill
