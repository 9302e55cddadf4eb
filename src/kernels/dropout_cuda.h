// The CUDA side of keyed dropout: raw pointers and a stream, no torch headers.
#pragma once

#include <cstdint>

#include "elements.h"

namespace distill {

struct DropoutShape {
  int64_t batch, planes, rows, columns;
};

// Launches on `stream` (a cudaStream_t) of the current device; `x` and `y` are contiguous [batch, planes, rows, columns] of one
// type and may be the same. Returns a CUDA error code, 0 when the launch went well.
int launch_keyed_dropout(Source x, Sink y, DropoutShape shape, const int64_t* row_keys, uint64_t noise_key, uint64_t site,
                         uint64_t threshold, double factor, void* stream);

}  // namespace distill
