#include "distill/core/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace distill {
namespace {

TEST(Random, PermutationVisitsEveryIndexOnce) {
  for (uint64_t count : {1u, 2u, 3u, 17u, 64u, 1000u}) {
    std::vector<int> seen(count, 0);
    for (uint64_t i = 0; i < count; ++i) ++seen[permuted(random_key({5, count}), i, count)];
    for (int times : seen) EXPECT_EQ(times, 1);
  }
}

TEST(Random, PermutationDependsOnItsKey) {
  int moved = 0;
  for (uint64_t i = 0; i < 1000; ++i) moved += permuted(1, i, 1000) != permuted(2, i, 1000);
  EXPECT_GT(moved, 900);
}

TEST(Random, NormalHasUnitVariance) {
  double sum = 0, squares = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = normal(42, static_cast<uint64_t>(i));
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.03);
  EXPECT_NEAR(squares / kDraws, 1, 0.03);
}

}  // namespace
}  // namespace distill
