// The `optimizer` and `schedule` sections of the recipe. Plain structs; the formulas are in the optim room.
#pragma once

#include "distill/recipe/values.h"

namespace distill {

enum class OptimizerName { adamw, adamw8bit, sgd, lion };
template <>
struct EnumNames<OptimizerName> {
  static constexpr std::pair<OptimizerName, std::string_view> kNames[] = {{OptimizerName::adamw, "adamw"},
                                                                          {OptimizerName::adamw8bit, "adamw8bit"},
                                                                          {OptimizerName::sgd, "sgd"},
                                                                          {OptimizerName::lion, "lion"}};
};

struct OptimizerRecipe {
  OptimizerName name = OptimizerName::adamw;
  double learning_rate = 1e-4;
  double weight_decay = 0.01;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-8;
  NoneOr<double> max_grad_norm{1.0};
  bool operator==(const OptimizerRecipe&) const = default;
  static constexpr auto kShorthand = &OptimizerRecipe::name;

  template <class Visit>
  static void fields(Visit& v) {
    v(&OptimizerRecipe::name, "name", "the optimizer").only({"adamw"});
    v(&OptimizerRecipe::learning_rate, "learning_rate", "the peak of the schedule").min(0);
    v(&OptimizerRecipe::weight_decay, "weight_decay", "decoupled decay, on matrices, not on norms, biases and other vectors")
        .min(0);
    v(&OptimizerRecipe::betas, "betas", "decay of the first and second moment").min(0).below(1);
    v(&OptimizerRecipe::eps, "eps", "added to the root of the second moment").above(0);
    v(&OptimizerRecipe::max_grad_norm, "max_grad_norm", "clip the global gradient norm to this; `none`: never").above(0);
  }
};

enum class ScheduleKind { cosine, linear, constant, inverse_sqrt };
template <>
struct EnumNames<ScheduleKind> {
  static constexpr std::pair<ScheduleKind, std::string_view> kNames[] = {{ScheduleKind::cosine, "cosine"},
                                                                         {ScheduleKind::linear, "linear"},
                                                                         {ScheduleKind::constant, "constant"},
                                                                         {ScheduleKind::inverse_sqrt, "inverse_sqrt"}};
};

struct ScheduleRecipe {
  ScheduleKind kind = ScheduleKind::cosine;
  std::optional<Duration> warmup;  // absent: 3%, and 0 for `constant`
  double floor = 0.1;              // share of the peak
  bool operator==(const ScheduleRecipe&) const = default;
  static constexpr auto kShorthand = &ScheduleRecipe::kind;

  template <class Visit>
  static void fields(Visit& v) {
    v(&ScheduleRecipe::kind, "kind", "shape of the decay after the warm-up");
    v(&ScheduleRecipe::warmup, "warmup", "linear rise from zero: `200 steps`, `3%` or `5M tokens`; default 3%, 0 for constant")
        .units({Unit::steps, Unit::percent, Unit::tokens})
        .min(0);
    v(&ScheduleRecipe::floor, "floor", "where the decay ends, as a share of the peak").min(0).max(1);
  }
};

}  // namespace distill
