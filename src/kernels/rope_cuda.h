// The CUDA side of rotary positions: raw pointers and a stream, no torch headers.
#pragma once

#include <cstdint>

#include "elements.h"

namespace distill {

// Heads [batch, length, heads, size]: the input with strides in elements (the last is 1), the output contiguous.
struct RopeHeads {
  Source x;
  Sink y;
  int64_t batch = 0, length = 0, heads = 0, size = 0;
  int64_t batch_stride = 0, token_stride = 0, head_stride = 0;
};
struct RopeAngles {
  Source cos, sin;                // [rows, pairs]
  const int64_t* rows = nullptr;  // [batch, length]; null: token t takes row t
  int64_t pairs = 0;
  bool interleaved = false;
  double sign = 1;
};

// Returns a CUDA error code, 0 when the launch went well.
int launch_rope(const RopeHeads& heads, const RopeAngles& angles, void* stream);

}  // namespace distill
