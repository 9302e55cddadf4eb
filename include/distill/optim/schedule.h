// The learning rate as a pure function of the update's number (DESIGN section 3, Schedule).
#pragma once

#include <cstdint>

#include "distill/recipe/optim.h"

namespace distill {

struct Schedule {
  ScheduleKind kind = ScheduleKind::cosine;
  double peak = 1e-4;
  double floor = 0.1;          // share of the peak
  int64_t warmup_updates = 0;  // W
  int64_t total_updates = 1;   // N, from train.length
};

// W and N in place. `updates_per_token` converts a warm-up in tokens; 0 when it is not in tokens.
Schedule make_schedule(const ScheduleRecipe& recipe, double peak, int64_t total_updates, double updates_per_token);
// The rate that update `update` (counted from 1) uses.
double learning_rate(const Schedule& schedule, int64_t update);

}  // namespace distill
