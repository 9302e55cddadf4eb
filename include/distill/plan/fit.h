// The smallest change that lets an update fit into the memory that is free.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "distill/plan/estimate.h"

namespace distill {

// Keys of the recipe and their new values; those that stay are left out.
struct Change {
  std::optional<GradientCheckpointing> checkpointing;
  std::optional<int64_t> batch_size, gradient_accumulation_steps, sequence_length;
  MemoryPlan plan;  // with it
  // {"train.gradient_checkpointing", "full"}, ...: as --set takes them.
  std::vector<std::pair<std::string, std::string>> settings() const;
};

struct Fit {
  // That is planned with: the recipe's. `auto` is on a GPU the first of none, selective and full that fits, and full where none
  // does; on a CPU none.
  GradientCheckpointing checkpointing = GradientCheckpointing::none;
  MemoryPlan plan;
  bool fits = false;
  std::optional<Change> change;  // when it does not, and something helps
  MemoryPart largest;            // when nothing helps: the largest part of the smallest update,
  int64_t smallest_bytes = 0;    // and the peak of this one
};

// Tried in this order, each held against the same estimate: more checkpointing (on a GPU); fewer rows at a time with more
// accumulation, which makes the same updates; shorter sequences. `accumulation`: the recipe's gradient_accumulation_steps.
Fit fit_update(const UpdateFacts& facts, int64_t accumulation, int64_t free_bytes);

}  // namespace distill
