#include "distill/tensor/shape.h"

#include <gtest/gtest.h>

#include <ATen/ops/zeros.h>

#include "distill/core/error.h"

namespace distill {
namespace {

TEST(Shape, BindsALetterAtItsFirstUse) {
  AxisSizes sizes = {{'D', 8}};
  expect_shape(at::zeros({2, 3, 8}), "BTD", sizes, "hidden");
  EXPECT_EQ(sizes, (AxisSizes{{'B', 2}, {'T', 3}, {'D', 8}}));
  expect_shape(at::zeros({2, 3}), "BT", sizes, "ids");
  EXPECT_THROW(expect_shape(at::zeros({2, 4}), "BT", sizes, "ids"), Bug);
}

TEST(Shape, RefusesAnotherRankARepeatedLetterOfTwoSizesAndNothing) {
  EXPECT_THROW(expect_shape(at::zeros({2, 3, 1}), "BT", AxisSizes{}, "x"), Bug);
  EXPECT_THROW(expect_shape(at::zeros({2, 3}), "TT", AxisSizes{}, "x"), Bug);
  EXPECT_THROW(expect_shape(at::Tensor(), "B", AxisSizes{}, "x"), Bug);
  EXPECT_NO_THROW(expect_shape(at::zeros({3, 3}), "TT", AxisSizes{}, "x"));
}

TEST(Shape, SpeaksInAxesAndTheirMeaning) {
  try {
    expect_shape(at::zeros({2, 4}), "BT", AxisSizes{{'T', 3}}, "ids");
    FAIL() << "no error";
  } catch (const Bug& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("ids"), std::string::npos);
    EXPECT_NE(text.find("T=3 (position)"), std::string::npos) << text;
    EXPECT_NE(text.find("[2, 4]"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace distill
