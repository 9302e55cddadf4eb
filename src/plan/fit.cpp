#include "distill/plan/fit.h"

#include <algorithm>

namespace distill {
namespace {

constexpr int64_t kShortest = 16;  // tokens; nobody trains on less

constexpr GradientCheckpointing kModes[] = {GradientCheckpointing::none, GradientCheckpointing::selective,
                                            GradientCheckpointing::full};

// This one and those that keep less. On a CPU this one alone: what recomputation lets go of is scattered over the heap, and the
// process stays as large as before (measured: 5.0 GB with whole blocks recomputed, 5.3 GB with none, where tensors need 2.1
// and 4.1).
std::vector<GradientCheckpointing> modes_from(GradientCheckpointing first, bool on_gpu) {
  if (!on_gpu) return {first};
  return {std::find(std::begin(kModes), std::end(kModes), first), std::end(kModes)};
}

// Divisors from the number itself down: with one of them, and accumulation to match, updates stay what they are.
std::vector<int64_t> divisors(int64_t number) {
  std::vector<int64_t> found;
  for (int64_t divisor = number; divisor >= 1; --divisor)
    if (number % divisor == 0) found.push_back(divisor);
  return found;
}

UpdateFacts changed(const UpdateFacts& facts, GradientCheckpointing mode, int64_t rows, int64_t length) {
  UpdateFacts other = facts;
  other.checkpointing = mode;
  other.rows = rows;
  other.length = length;
  const double share = static_cast<double>(rows * length) / static_cast<double>(facts.tokens());
  other.kept_rows = static_cast<int64_t>(static_cast<double>(facts.kept_rows) * share);
  return other;
}

Change difference(const UpdateFacts& from, const UpdateFacts& to, int64_t accumulation, MemoryPlan plan) {
  Change change;
  if (to.checkpointing != from.checkpointing) change.checkpointing = to.checkpointing;
  if (to.rows != from.rows) {
    change.batch_size = to.rows;
    change.gradient_accumulation_steps = accumulation * (from.rows / to.rows);
  }
  if (to.length != from.length) change.sequence_length = to.length;
  change.plan = std::move(plan);
  return change;
}

MemoryPart largest_part(const MemoryPlan& plan) {
  const std::vector<MemoryPart>& parts = plan.peak().parts;
  return *std::max_element(parts.begin(), parts.end(),
                           [](const MemoryPart& a, const MemoryPart& b) { return a.bytes < b.bytes; });
}

// What `auto` means where this much is free.
GradientCheckpointing known_checkpointing(const UpdateFacts& facts, int64_t free_bytes) {
  if (facts.checkpointing != GradientCheckpointing::automatic) return facts.checkpointing;
  const std::vector<GradientCheckpointing> modes = modes_from(GradientCheckpointing::none, facts.on_gpu);
  UpdateFacts tried = facts;
  for (const GradientCheckpointing mode : modes) {
    tried.checkpointing = mode;
    if (estimate_update(tried).peak().bytes <= free_bytes) return mode;
  }
  return modes.back();
}

}  // namespace

std::vector<std::pair<std::string, std::string>> Change::settings() const {
  std::vector<std::pair<std::string, std::string>> settings;
  if (checkpointing) settings.emplace_back("train.gradient_checkpointing", enum_name(*checkpointing));
  if (batch_size) settings.emplace_back("train.batch_size", std::to_string(*batch_size));
  if (gradient_accumulation_steps)
    settings.emplace_back("train.gradient_accumulation_steps", std::to_string(*gradient_accumulation_steps));
  if (sequence_length) settings.emplace_back("data.sequence_length", std::to_string(*sequence_length));
  return settings;
}

Fit fit_update(const UpdateFacts& wish, int64_t accumulation, int64_t free_bytes) {
  UpdateFacts facts = wish;
  facts.checkpointing = known_checkpointing(wish, free_bytes);
  Fit fit;
  fit.checkpointing = facts.checkpointing;
  fit.plan = estimate_update(facts);
  fit.fits = fit.plan.peak().bytes <= free_bytes;
  if (fit.fits) return fit;
  for (int64_t length = facts.length; length >= std::max<int64_t>(1, std::min(facts.length, kShortest)); length /= 2)
    for (const int64_t rows : divisors(facts.rows))
      for (const GradientCheckpointing mode : modes_from(facts.checkpointing, facts.on_gpu)) {
        const UpdateFacts other = changed(facts, mode, rows, length);
        MemoryPlan plan = estimate_update(other);
        fit.largest = largest_part(plan);  // the last one is that of the smallest update
        fit.smallest_bytes = plan.peak().bytes;
        if (plan.peak().bytes > free_bytes) continue;
        fit.change = difference(facts, other, accumulation, std::move(plan));
        return fit;
      }
  return fit;
}

}  // namespace distill
