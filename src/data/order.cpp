#include "distill/data/order.h"

#include <algorithm>
#include <cmath>

#include "distill/core/random.h"

namespace distill {
namespace {

// Independent streams of one seed.
constexpr uint64_t kShuffleStream = 0x73687566;
constexpr uint64_t kChoiceStream = 0x63686f69;

struct Share {
  int64_t whole = 0;   // repetitions of every row
  int64_t chosen = 0;  // rows that come once more
};

// 0.29 * 100 is 28.999... in binary: a share that is whole in decimal stays whole.
Share share_of(const SourceRows& source) {
  const auto rows = static_cast<int64_t>(source.rows.size());
  const double exact = static_cast<double>(rows) * source.weight;
  const auto total = static_cast<int64_t>(std::floor(exact * (1 + 1e-12) + 1e-9));
  return rows == 0 ? Share{} : Share{total / rows, total % rows};
}

std::vector<uint32_t> choose(int64_t count, int64_t rows, uint64_t key) {
  std::vector<uint32_t> chosen(static_cast<size_t>(count));
  for (size_t i = 0; i < chosen.size(); ++i) chosen[i] = static_cast<uint32_t>(permuted(key, i, static_cast<uint64_t>(rows)));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace

int64_t rows_per_epoch(const Rows& rows) {
  int64_t total = 0;
  for (const SourceRows& source : rows.sources) {
    const Share share = share_of(source);
    total += share.whole * static_cast<int64_t>(source.rows.size()) + share.chosen;
  }
  return total;
}

EpochOrder::EpochOrder(const Rows& rows, uint64_t seed, int64_t epoch, bool shuffle)
    : epoch_(epoch), key_(random_key({seed, kShuffleStream, static_cast<uint64_t>(epoch)})), shuffle_(shuffle) {
  for (size_t s = 0; s < rows.sources.size(); ++s) {
    const Share share = share_of(rows.sources[s]);
    Part part{size_, static_cast<int64_t>(rows.sources[s].rows.size()), share.whole, {}};
    part.chosen = choose(share.chosen, part.rows, random_key({seed, kChoiceStream, static_cast<uint64_t>(epoch), s}));
    size_ += part.whole * part.rows + share.chosen;
    parts_.push_back(std::move(part));
  }
}

RowPlace EpochOrder::at(int64_t index) const {
  const auto place = static_cast<uint64_t>(index);
  const auto slot = static_cast<int64_t>(shuffle_ ? permuted(key_, place, static_cast<uint64_t>(size_)) : place);
  size_t source = parts_.size() - 1;
  while (parts_[source].begin > slot) --source;
  const Part& part = parts_[source];
  const int64_t within = slot - part.begin, repeated = part.whole * part.rows;
  const auto row =
      within < repeated ? static_cast<uint64_t>(within % part.rows) : part.chosen[static_cast<size_t>(within - repeated)];
  return {static_cast<uint32_t>(source), row};
}

}  // namespace distill
