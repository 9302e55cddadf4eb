#include "distill/tensor/summary.h"

#include <gtest/gtest.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include <limits>

namespace distill {
namespace {

TEST(Summary, CountsNanAndInfinityInEveryFloatingType) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::ScalarType::Float8_e5m2}) {
    at::Tensor tensor = at::zeros({3, 5}, at::kFloat);
    EXPECT_EQ(count_non_finite(tensor.to(dtype)), 0);
    tensor[0][1] = std::numeric_limits<double>::infinity();
    tensor[1][4] = -std::numeric_limits<double>::infinity();
    tensor[2][0] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_EQ(count_non_finite(tensor.to(dtype)), 3) << dtype;
    EXPECT_EQ(count_non_finite(tensor.to(dtype).t()), 3);
  }
}

TEST(Summary, CountsBeyondOnePiece) {
  at::Tensor tensor = at::zeros({(1 << 20) + 3}, at::kFloat);
  tensor[0] = tensor[1 << 20] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(count_non_finite(tensor), 2);
}

TEST(Summary, IntegersAndEmptyTensorsAreFinite) {
  EXPECT_EQ(count_non_finite(at::arange(4)), 0);
  EXPECT_EQ(count_non_finite(at::zeros({0, 3})), 0);
}

}  // namespace
}  // namespace distill
