#include "distill/optim/schedule.h"

#include <gtest/gtest.h>

namespace distill {
namespace {

TEST(Schedule, WarmupRisesLinearlyAndCosineEndsAtTheFloor) {
  const Schedule schedule = make_schedule({}, 1.0, 1000, 0);
  EXPECT_EQ(schedule.warmup_updates, 30);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 1), 1.0 / 30);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 30), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 31), 1.0);
  EXPECT_NEAR(learning_rate(schedule, 31 + 485), 0.1 + 0.9 * 0.5, 1e-12);
  EXPECT_GT(learning_rate(schedule, 1000), 0.1);
  EXPECT_NEAR(learning_rate(schedule, 1001), 0.1, 1e-12);
}

TEST(Schedule, ConstantHasNoWarmupUnlessAsked) {
  ScheduleRecipe recipe;
  recipe.kind = ScheduleKind::constant;
  EXPECT_EQ(make_schedule(recipe, 1, 1000, 0).warmup_updates, 0);
  recipe.warmup = steps(7);
  EXPECT_EQ(make_schedule(recipe, 1, 1000, 0).warmup_updates, 7);
  EXPECT_DOUBLE_EQ(learning_rate(make_schedule(recipe, 2, 1000, 0), 900), 2);
}

TEST(Schedule, LinearReachesHalfWayInTheMiddle) {
  ScheduleRecipe recipe;
  recipe.kind = ScheduleKind::linear;
  recipe.warmup = percent(0);
  recipe.floor = 0;
  EXPECT_DOUBLE_EQ(learning_rate(make_schedule(recipe, 1, 100, 0), 51), 0.5);
}

TEST(Schedule, InverseSqrtIsContinuousAtTheEndOfTheWarmup) {
  ScheduleRecipe recipe;
  recipe.kind = ScheduleKind::inverse_sqrt;
  recipe.warmup = steps(100);
  const Schedule schedule = make_schedule(recipe, 1, 1000, 0);
  EXPECT_NEAR(learning_rate(schedule, 101), 1, 0.01);
  EXPECT_NEAR(learning_rate(schedule, 400), 0.5, 1e-12);
}

TEST(Schedule, AWarmupInTokensIsConverted) {
  ScheduleRecipe recipe;
  recipe.warmup = tokens(5000);
  EXPECT_EQ(make_schedule(recipe, 1, 1000, 1.0 / 100).warmup_updates, 50);
}

}  // namespace
}  // namespace distill
