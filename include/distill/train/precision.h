// What the recipe's `precision` means on a device.
#pragma once

#include <ATen/core/TensorBody.h>

#include <optional>
#include <string>

#include "distill/recipe/train.h"

namespace distill {

struct PrecisionPlan {
  at::ScalarType master = at::kFloat;      // of weights that train, gradients and moments
  std::optional<at::ScalarType> autocast;  // of linear layers and attention in the forward pass
  bool loss_scaling = false;
  at::ScalarType compute() const { return autocast.value_or(master); }
  std::string text() const;  // "float16 with loss scaling"
};

// auto: float32 on a CPU, bfloat16 on sm_80 and newer, float16 on older GPUs. RecipeError for float64 on a GPU; a warning for
// float16 on a CPU.
PrecisionPlan plan_precision(Precision precision, at::Device device);

}  // namespace distill
