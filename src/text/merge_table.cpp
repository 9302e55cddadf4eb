#include "merge_table.h"

#include <algorithm>
#include <bit>

namespace distill {

MergeTable::MergeTable(size_t num_merges)
    : entries_(std::bit_ceil(std::max<size_t>(2 * num_merges, 8)), Entry{kEmpty, {kNone, 0}}), mask_(entries_.size() - 1) {}

void MergeTable::set(int32_t left, int32_t right, Merge merge) {
  const uint64_t key = pair_key(left, right);
  size_t slot = first_slot(key);
  while (entries_[slot].key != kEmpty && entries_[slot].key != key) slot = (slot + 1) & mask_;
  entries_[slot] = {key, merge};
}

}  // namespace distill
