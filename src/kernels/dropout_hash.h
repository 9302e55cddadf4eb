// The hash behind keyed dropout, shared by CPU and CUDA code so that both draw the same mask.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define DISTILL_HOST_DEVICE __host__ __device__
#else
#define DISTILL_HOST_DEVICE
#endif

namespace distill {

// The finaliser of core/random.h, repeated here because device code cannot call it.
DISTILL_HOST_DEVICE inline uint64_t dropout_mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

DISTILL_HOST_DEVICE inline uint64_t dropout_row_key(uint64_t noise_key, uint64_t row_key, uint64_t site) {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
  uint64_t state = dropout_mix(kGolden + kGolden + dropout_mix(noise_key));
  state = dropout_mix(state + kGolden + dropout_mix(row_key));
  return dropout_mix(state + kGolden + dropout_mix(site));
}

// Coordinates, never a flat index: the length to which a batch is padded must not move the mask.
DISTILL_HOST_DEVICE inline uint64_t dropout_index(uint64_t plane, uint64_t row, uint64_t column) {
  return plane << 42 | row << 21 | column;
}

// Survives when 32 random bits reach the threshold rate * 2^32.
DISTILL_HOST_DEVICE inline bool dropout_keeps(uint64_t row_key, uint64_t index, uint64_t threshold) {
  return (dropout_mix(row_key + 0x9e3779b97f4a7c15ULL * (index + 1)) >> 32) >= threshold;
}

}  // namespace distill
