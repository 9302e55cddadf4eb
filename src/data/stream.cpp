#include "distill/data/stream.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "distill/core/error.h"
#include "distill/core/stop.h"
#include "distill/data/batch.h"
#include "distill/data/order.h"
#include "distill/data/prefetch.h"

namespace distill {
namespace {

constexpr uint64_t kEvaluationSeed = 0x6576616c;

int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// One world only: with several ranks the last update of an epoch may leave a rank without rows, and every rank must see
// the same number of micro-batches.
void check_options(const StreamOptions& options) {
  if (options.world != 1 || options.rank != 0)
    throw RecipeError({"train", "one process", std::to_string(options.world) + " processes",
                       "Training on several devices is not available yet: run on one.", ""});
  if (options.batch_size < 1 || options.accumulation < 1)
    throw RecipeError({"train.batch_size and gradient_accumulation_steps", "at least 1",
                       std::to_string(options.batch_size) + " and " + std::to_string(options.accumulation),
                       "Give positive numbers.", ""});
}

bool same_rows_every_epoch(const Rows& rows) {
  return std::all_of(rows.sources.begin(), rows.sources.end(),
                     [](const SourceRows& source) { return source.weight == std::floor(source.weight); });
}

}  // namespace

// Everything that makes update u, as a function of u alone; `order` only remembers the epoch last used.
struct UpdateStream::Parts {
  Parts(std::shared_ptr<const Rows> all_rows, const StreamOptions& stream_options)
      : rows(std::move(all_rows)),
        options(stream_options),
        epoch_rows(rows_per_epoch(*rows)),
        update_rows(options.batch_size * options.accumulation),
        prefetcher([this](int64_t index) { return make(index); }, options.prefetch) {
    check_options(options);
    if (epoch_rows < 1) throw Bug("a stream of no rows");
  }

  int64_t updates_per_epoch() const { return ceil_divide(epoch_rows, update_rows); }
  EpochOrder order_of(int64_t epoch) const { return {*rows, options.seed, epoch, options.shuffle}; }

  TokenBatch micro_batch(const EpochOrder& order, int64_t begin, int64_t end) const {
    std::vector<KeyedRow> members;
    for (int64_t index = begin; index < end; ++index) members.push_back({order.at(index), order.epoch() * epoch_rows + index});
    return make_batch(*rows, members, options.pin_memory, options.seed);
  }

  Update make(int64_t index) {
    Update update;
    update.index = index;
    update.epoch = index / updates_per_epoch();
    if (!order || order->epoch() != update.epoch) order.emplace(order_of(update.epoch));
    const int64_t begin = index % updates_per_epoch() * update_rows, end = std::min(epoch_rows, begin + update_rows);
    for (int64_t at = begin; at < end; at += options.batch_size) {
      const TokenBatch& batch =
          update.micro_batches.emplace_back(micro_batch(*order, at, std::min(end, at + options.batch_size)));
      update.kept_tokens += batch.num_kept;
      update.input_tokens += batch.num_tokens;
      update.paired_tokens += batch.pairs.size();
      update.padded_tokens += batch.rows() * batch.length() - batch.num_tokens;
    }
    return update;
  }

  int64_t kept_of(const EpochOrder& order, int64_t begin, int64_t end) const {
    int64_t kept = 0;
    for (int64_t index = begin; index < end; ++index) kept += rows->row(order.at(index)).num_kept;
    return kept;
  }

  std::shared_ptr<const Rows> rows;
  StreamOptions options;
  int64_t epoch_rows, update_rows;
  std::optional<EpochOrder> order;
  Prefetcher<Update> prefetcher;  // last: its thread ends before the rest goes
};

UpdateStream::UpdateStream(std::shared_ptr<const Rows> rows, const StreamOptions& options)
    : parts_(std::make_unique<Parts>(std::move(rows), options)) {}
UpdateStream::~UpdateStream() = default;

int64_t UpdateStream::updates_per_epoch() const { return parts_->updates_per_epoch(); }
int64_t UpdateStream::position() const { return parts_->prefetcher.position(); }
Update UpdateStream::next() { return parts_->prefetcher.next(); }

void UpdateStream::seek(int64_t update) {
  if (update < 0) throw Bug("seek to update " + std::to_string(update));
  parts_->prefetcher.seek(update);
}

int64_t UpdateStream::updates_for_tokens(double tokens) const {
  const Parts& parts = *parts_;
  const int64_t per_epoch = parts.updates_per_epoch();
  int64_t epoch = 0;
  double seen = 0;
  if (same_rows_every_epoch(*parts.rows)) {  // whole epochs need no walk
    const auto per_epoch_kept = static_cast<double>(parts.kept_of(parts.order_of(0), 0, parts.epoch_rows));
    epoch = static_cast<int64_t>(std::clamp(std::ceil(tokens / per_epoch_kept) - 1, 0.0, 9e15 / static_cast<double>(per_epoch)));
    seen = static_cast<double>(epoch) * per_epoch_kept;
  }
  for (;; ++epoch) {
    const EpochOrder order = parts.order_of(epoch);
    for (int64_t update = 0; update < per_epoch; ++update) {
      check_stop();
      const int64_t begin = update * parts.update_rows;
      seen += static_cast<double>(parts.kept_of(order, begin, std::min(parts.epoch_rows, begin + parts.update_rows)));
      if (seen >= tokens) return epoch * per_epoch + update + 1;
    }
  }
}

int64_t UpdateStream::padding_per_epoch() const {
  const Parts& parts = *parts_;
  const EpochOrder order = parts.order_of(0);
  int64_t padding = 0;
  for (int64_t begin = 0; begin < parts.epoch_rows; begin += parts.update_rows) {
    check_stop();
    const int64_t end = std::min(parts.epoch_rows, begin + parts.update_rows);
    for (int64_t at = begin; at < end; at += parts.options.batch_size) {
      int64_t tokens = 0, longest = 0;
      const int64_t stop = std::min(end, at + parts.options.batch_size);
      for (int64_t index = at; index < stop; ++index) {
        const int64_t length = parts.rows->row(order.at(index)).num_tokens;
        tokens += length;
        longest = std::max(longest, length);
      }
      padding += longest * (stop - at) - tokens;
    }
  }
  return padding;
}

int64_t num_evaluation_batches(const Rows& rows, int64_t batch_size) {
  int64_t total = 0;
  for (const SourceRows& source : rows.sources) total += static_cast<int64_t>(source.rows.size());
  return ceil_divide(total, batch_size);
}

TokenBatch evaluation_batch(const Rows& rows, int64_t batch_size, int64_t index) {
  std::vector<KeyedRow> members;
  int64_t key = 0;  // place among all rows of all sources
  for (uint32_t s = 0; s < rows.sources.size(); ++s) {
    const auto count = static_cast<int64_t>(rows.sources[s].rows.size());
    const int64_t begin = std::max(key, index * batch_size), end = std::min(key + count, (index + 1) * batch_size);
    for (int64_t at = begin; at < end; ++at) members.push_back({{s, static_cast<uint64_t>(at - key)}, at});
    key += count;
  }
  if (members.empty()) throw Bug("evaluation batch " + std::to_string(index) + " is beyond the rows");
  return make_batch(rows, members, false, kEvaluationSeed);
}

std::vector<TokenBatch> evaluation_batches(const Rows& rows, int64_t batch_size) {
  std::vector<TokenBatch> batches;
  for (int64_t index = 0; index < num_evaluation_batches(rows, batch_size); ++index) {
    check_stop();
    batches.push_back(evaluation_batch(rows, batch_size, index));
  }
  return batches;
}

}  // namespace distill
