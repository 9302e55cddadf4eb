// The CUDA side of AdamW: raw pointers and a stream, no torch headers.
#pragma once

#include <cstdint>

#include "adamw_math.h"
#include "elements.h"

namespace distill {

struct AdamwSpan {
  void *weight = nullptr, *gradient = nullptr, *first_moment = nullptr, *second_moment = nullptr;
  void* narrow = nullptr;
  int64_t count = 0;
  double weight_decay = 0;
  double rate_factor = 1;
};

// Scalars on the device.
struct AdamwOnDevice {
  AdamwConstants constants;
  const float* step = nullptr;
  const double* gradient_factor = nullptr;  // null = 1
  const float* found_inf = nullptr;
  ElementType type = ElementType::f32;         // of weights, gradients and moments
  ElementType narrow_type = ElementType::f16;  // of the narrow copies
};

// Returns a CUDA error code, 0 when all launches went well.
int launch_adamw(const AdamwSpan* spans, int64_t num_spans, const AdamwOnDevice& step, void* stream);

}  // namespace distill
