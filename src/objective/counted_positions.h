// The positions that a feature term counts, and the stretches of rows within which they see one another.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <vector>

#include "distill/tensor/token_batch.h"

namespace distill {

// Queries [first_query, + num_queries) of a row, and the keys that they may see.
struct Stretch {
  int64_t row = 0, first_query = 0, num_queries = 0, first_key = 0, num_keys = 0;
};

struct CountedPositions {
  at::Tensor flat_N;  // b * T + t in ascending order
  int64_t here = 0;
  // The same as 1 and 0, float32 [B,T]; and the documents, -1 on padding.
  at::Tensor counts_BT, documents_BT;
  // On a CPU one for each document that counts, begun and ended where it does; elsewhere one for each row, because nobody waits
  // for a device to learn more. Together they hold every counted position once.
  std::vector<Stretch> stretches;
};

// `all`: every token that is not padding, or the kept ones.
CountedPositions counted_positions(const TokenBatch& batch, bool all);

// Stretches cut so that queries * keys * copies stays within a workspace of 2^20 numbers, with one query at least. `causal`: keys
// behind the last query are left out.
std::vector<Stretch> tiles_of(const std::vector<Stretch>& stretches, int64_t copies, bool causal);

}  // namespace distill
