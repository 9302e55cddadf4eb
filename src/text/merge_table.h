// Pair of token ids -> rank and id of the merged token. Open addressing: the pair lookup is the inner loop of BPE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace distill {

class MergeTable {
 public:
  struct Merge {
    uint32_t rank;  // kNone when the pair does not merge
    int32_t id;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit MergeTable(size_t num_merges = 0);
  // A pair that is set again takes the later rank. At most `num_merges` different pairs.
  void set(int32_t left, int32_t right, Merge merge);
  Merge find(int32_t left, int32_t right) const {
    const uint64_t key = pair_key(left, right);
    for (size_t slot = first_slot(key);; slot = (slot + 1) & mask_) {
      if (entries_[slot].key == key) return entries_[slot].merge;
      if (entries_[slot].key == kEmpty) return {kNone, 0};
    }
  }

 private:
  struct Entry {
    uint64_t key;
    Merge merge;
  };
  static constexpr uint64_t kEmpty = UINT64_MAX;
  static uint64_t pair_key(int32_t left, int32_t right) {
    return (uint64_t{static_cast<uint32_t>(left)} << 32) | static_cast<uint32_t>(right);
  }
  size_t first_slot(uint64_t key) const { return static_cast<size_t>((key * 0x9E3779B97F4A7C15ULL) >> 24) & mask_; }

  std::vector<Entry> entries_;
  size_t mask_;
};

}  // namespace distill
