// Which row stands where in an epoch: sources repeated by weight, then a keyed permutation. No state: a pure function of
// (seed, epoch, index).
#pragma once

#include <cstdint>
#include <vector>

#include "distill/data/rows.h"

namespace distill {

// Rows per epoch, the same in every epoch: for each source floor(rows * weight).
int64_t rows_per_epoch(const Rows& rows);

class EpochOrder {
 public:
  EpochOrder(const Rows& rows, uint64_t seed, int64_t epoch, bool shuffle);
  int64_t epoch() const { return epoch_; }
  int64_t size() const { return size_; }
  RowPlace at(int64_t index) const;

 private:
  // The rows of one source in this epoch: `whole` repetitions, then the chosen rows in file order.
  struct Part {
    int64_t begin = 0, rows = 0, whole = 0;
    std::vector<uint32_t> chosen;
  };
  std::vector<Part> parts_;
  int64_t epoch_ = 0, size_ = 0;
  uint64_t key_ = 0;
  bool shuffle_ = false;
};

}  // namespace distill
