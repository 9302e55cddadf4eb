#include "distill/core/random.h"

#include <bit>
#include <cmath>

#include "distill/core/error.h"

namespace distill {

double normal(uint64_t key, uint64_t index) {
  const double u = 1.0 - uniform(key, 2 * index);  // in (0, 1]: its logarithm is finite
  const double angle = 6.283185307179586476925286766559 * uniform(key, 2 * index + 1);
  return std::sqrt(-2.0 * std::log(u)) * std::cos(angle);
}

// A four-round Feistel network over the next even power of two, walked until the value falls below `count`.
uint64_t permuted(uint64_t key, uint64_t index, uint64_t count) {
  if (index >= count) throw Bug("permuted: index outside the range");
  if (count <= 1) return index;
  const int half_bits = (static_cast<int>(std::bit_width(count - 1)) + 1) / 2;
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  do {
    uint64_t left = index >> half_bits, right = index & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t next = left ^ (mix_bits(right + random_key({key, round})) & mask);
      left = right;
      right = next;
    }
    index = left << half_bits | right;
  } while (index >= count);
  return index;
}

}  // namespace distill
