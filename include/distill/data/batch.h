// Rows to the tensors of one micro-batch.
#pragma once

#include <cstdint>
#include <vector>

#include "distill/data/rows.h"
#include "distill/tensor/token_batch.h"

namespace distill {

struct KeyedRow {
  RowPlace place;
  int64_t key = 0;  // the row's place in the run
};

// At least one row. Padded on the right to the longest row: id 0, position 0, document -1, target -100. Masks are keyed by
// (noise_seed, key of the row, document in the row): the same however the rows of an update are split. Rows with a second reading
// make a batch with one (TokenBatch::teacher).
TokenBatch make_batch(const Rows& rows, const std::vector<KeyedRow>& members, bool pin_memory, uint64_t noise_seed = 0);

}  // namespace distill
