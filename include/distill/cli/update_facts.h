// From the living or planned parts of a run to the facts that the plan room counts with.
#pragma once

#include <optional>
#include <vector>

#include "distill/objective/objective.h"
#include "distill/plan/estimate.h"
#include "distill/recipe/recipe.h"
#include "distill/spec/spec.h"
#include "distill/train/precision.h"

namespace distill {

// What a device brings along. A GPU that is not here can be planned for as well.
struct DeviceFacts {
  bool is_gpu = false;
  int compute_capability = 0;  // 75 for sm_75; 0 for a CPU
};
DeviceFacts facts_of(at::Device device);

struct UpdateParts {
  const ModelSpec& student;
  std::optional<ModelSpec> teacher;  // when a term reads it
  at::ScalarType teacher_dtype = at::kFloat;
  const std::vector<TermRecipe>& terms;
  const Objective& objective;  // of these; on any device, at::kMeta too
  int64_t vocabulary_width = 0;
  PrecisionPlan precision;
  DeviceFacts device;
  bool packed = false;
};
// All but what the recipe's numbers say: rows, length, kept_rows, freeze, attention_dropout, checkpointing.
UpdateFacts update_facts(const UpdateParts& parts);

// The same of a recipe's run: full rows, and labels for all of their tokens.
UpdateFacts update_facts(const Recipe& recipe, const ModelSpec& student, const std::optional<ModelSpec>& teacher,
                         const Objective& objective, const PrecisionPlan& precision, const DeviceFacts& device);
// Ids that logits terms compare: those that both models have, or each side's own where uld alone reads both.
int64_t compared_width(const Recipe& recipe, const ModelSpec& student, const ModelSpec& teacher);
// Bytes that updates may take on the device now, beside what has been loaded already; 0 when the system does not tell.
int64_t free_bytes_on(at::Device device);
// `train`: the recipe's mode, or for `auto` the first that lets an update fit; one warning when none will, with the smallest
// change. Both models' weights are on the device already, gradients and moments are not. Nothing is known of scripts: `auto` is
// none.
GradientCheckpointing choose_checkpointing(const Recipe& recipe, const ModelSpec& student,
                                           const std::optional<ModelSpec>& teacher, const Objective& objective,
                                           const PrecisionPlan& precision, at::Device device);

}  // namespace distill
