// Keyed randomness without state: every number is a pure function of its key, so resume, micro-batch splits and
// recompute cannot shift it.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace distill {

// 64-bit finaliser with full avalanche (constants of Stafford's variant 13, as in SplitMix64).
constexpr uint64_t mix_bits(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// Hash of a key path, e.g. key({seed, epoch, source}). Order matters.
constexpr uint64_t random_key(std::initializer_list<uint64_t> parts) {
  uint64_t state = 0x9e3779b97f4a7c15ULL;
  for (uint64_t part : parts) state = mix_bits(state + 0x9e3779b97f4a7c15ULL + mix_bits(part));
  return state;
}

// Uniform in [0, 1) with 53 random bits.
constexpr double uniform(uint64_t key, uint64_t index) {
  return static_cast<double>(mix_bits(key + 0x9e3779b97f4a7c15ULL * (index + 1)) >> 11) * 0x1.0p-53;
}

// Standard normal (Box-Muller over two uniforms of the same index).
double normal(uint64_t key, uint64_t index);

// The image of `index` under a permutation of [0, count) chosen by `key`. Bijective; no table.
uint64_t permuted(uint64_t key, uint64_t index, uint64_t count);

}  // namespace distill
