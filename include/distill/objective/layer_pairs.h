// Which student layer learns from which teacher layer (DESIGN section 4). Layers count as Hugging Face counts hidden states.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "distill/core/error.h"
#include "distill/recipe/objective.h"

namespace distill {

using LayerPairs = std::vector<std::pair<int64_t, int64_t>>;  // student, teacher
// The teacher's side of a pair of `learned`: a mix of its layers 1..L.
inline constexpr int64_t kMixOfLayers = -2;

struct LayerRange {
  int64_t lowest = 0;  // 0 = embeddings (hidden states), 1 = first block (attention)
  int64_t student_layers = 0;
  int64_t teacher_layers = 0;
  bool can_mix = false;  // `learned` is possible
};

// The pairs of `mapping`. What does not fit is added to `complaints` with `where` (the key of the recipe), all of it at once.
LayerPairs layer_pairs(const LayerMapping& mapping, const LayerRange& range, const std::string& where,
                       std::vector<Complaint>& complaints);

}  // namespace distill
