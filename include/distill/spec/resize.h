// The facts of a model that is cut out of another one: fewer blocks, channels, heads or feed-forward units. Sizes only; which
// channels, heads and units stay is decided where the weights are (model/shrink.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "distill/core/error.h"
#include "distill/spec/spec.h"

namespace distill {

// What a user asks for; what is left out stays as it is.
struct ShrinkPlan {
  std::optional<std::vector<int64_t>> layers;  // numbers of the teacher's blocks from 0, ascending
  std::optional<int64_t> hidden_size, num_heads, num_kv_heads, intermediate_size;
};

// All sizes of the smaller model.
struct ModelSizes {
  std::vector<int64_t> layers;  // the block of the larger model that each block is
  int64_t hidden_size = 0, num_heads = 0, num_kv_heads = 0, intermediate_size = 0;
};
ModelSizes sizes_of(const ModelSpec& spec);

// A size that cannot be had. `key` is the member of ShrinkPlan.
struct SizeProblem {
  std::string key, expected, found, advice;
};

// The smaller model. With problems, `spec` means nothing.
// Heads: the size of a head stays. Without `num_kv_heads`, all key/value heads stay with fewer queries each where num_heads is a
// multiple of them, else whole groups (a key/value head with its queries) go; without `num_heads`, whole groups go.
// config.json is written again with the family's own keys; head_dim, n_inner and layer_types become explicit where their absence
// would mean something else. A choice that the family's config.json cannot state is a problem: a hidden size that is not
// num_heads * head size where no key gives the size of a head, blocks whose facts follow from their number.
// Gemma multiplies embeddings by sqrt(hidden_size): the smaller model by its own.
struct Resized {
  ModelSizes sizes;
  ModelSpec spec;
  std::vector<SizeProblem> problems;
};
Resized resize(const ModelSpec& teacher, const ShrinkPlan& plan);

}  // namespace distill
