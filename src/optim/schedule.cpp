#include "distill/optim/schedule.h"

#include <algorithm>
#include <cmath>

namespace distill {
namespace {

constexpr double kPi = 3.14159265358979323846;

// Share of the peak after the warm-up; `s` counts updates from 0.
double decay(const Schedule& schedule, double s) {
  const double warmup = static_cast<double>(schedule.warmup_updates);
  const double span = std::max(1.0, static_cast<double>(schedule.total_updates) - warmup);
  const double p = std::min(1.0, (s - warmup) / span);
  switch (schedule.kind) {
    case ScheduleKind::cosine:
      return schedule.floor + (1 - schedule.floor) * (1 + std::cos(kPi * p)) / 2;
    case ScheduleKind::linear:
      return schedule.floor + (1 - schedule.floor) * (1 - p);
    case ScheduleKind::constant:
      return 1;
    case ScheduleKind::inverse_sqrt:
      return std::max(schedule.floor, std::sqrt(std::max(1.0, warmup) / (s + 1)));
  }
  return 1;
}

}  // namespace

Schedule make_schedule(const ScheduleRecipe& recipe, double peak, int64_t total_updates, double updates_per_token) {
  const Duration warmup = recipe.warmup.value_or(recipe.kind == ScheduleKind::constant ? percent(0) : percent(3));
  double updates = warmup.amount;
  if (warmup.unit == Unit::percent) updates = warmup.amount / 100 * static_cast<double>(total_updates);
  if (warmup.unit == Unit::tokens) updates = warmup.amount * updates_per_token;
  // 3% of 1,000 is 30.000000000000004 or 29.999999999999996 in binary: what is meant is 30.
  const auto whole = static_cast<int64_t>(std::floor(updates * (1 + 1e-12)));
  return {recipe.kind, peak, recipe.floor, std::clamp<int64_t>(whole, 0, total_updates), std::max<int64_t>(1, total_updates)};
}

double learning_rate(const Schedule& schedule, int64_t update) {
  const int64_t s = update - 1;
  if (s < schedule.warmup_updates)
    return schedule.peak * static_cast<double>(s + 1) / static_cast<double>(schedule.warmup_updates);
  return schedule.peak * decay(schedule, static_cast<double>(s));
}

}  // namespace distill
