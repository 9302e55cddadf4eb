// Keyed dropout: a mask that follows keys and coordinates and nothing else.
#include "distill/kernels/dropout.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

using namespace distill;

namespace {

at::Tensor keys(std::vector<int64_t> values) { return at::tensor(values, at::kLong); }

at::Tensor mask(std::vector<int64_t> shape, std::vector<int64_t> row_keys, uint64_t noise = 7, uint64_t site = 3,
                double rate = 0.3) {
  return keyed_dropout(at::ones(shape), rate, {noise, keys(std::move(row_keys)), site}).ne(0);
}

TEST(KeyedDropout, DropsTheShareThatIsAskedForAndScalesTheRest) {
  const at::Tensor y = keyed_dropout(at::ones({4, 200, 50}), 0.3, {7, keys({1, 2, 3, 4}), 0});
  const double share = y.eq(0).to(at::kDouble).mean().item<double>();
  EXPECT_NEAR(share, 0.3, 5 * std::sqrt(0.3 * 0.7 / 40000));
  EXPECT_NEAR(y.max().item<double>(), 1 / 0.7, 1e-6);
}

TEST(KeyedDropout, TheMaskOfARowFollowsItsKeyInAnyBatch) {
  const at::Tensor both = mask({2, 9, 5}, {10, 11});
  EXPECT_TRUE(at::equal(both[1], mask({1, 9, 5}, {11})[0]));
  EXPECT_TRUE(at::equal(both[0], mask({3, 9, 5}, {4, 11, 10})[2]));
  EXPECT_FALSE(at::equal(both[0], both[1]));
}

TEST(KeyedDropout, PaddingDoesNotMoveTheMask) {
  EXPECT_TRUE(at::equal(mask({1, 9, 5}, {10}), mask({1, 30, 5}, {10}).slice(1, 0, 9)));
  EXPECT_TRUE(at::equal(mask({1, 2, 9, 9}, {10}), mask({1, 2, 30, 30}, {10}).slice(2, 0, 9).slice(3, 0, 9)));
}

TEST(KeyedDropout, NoiseAndSiteChangeTheMask) {
  EXPECT_FALSE(at::equal(mask({1, 9, 5}, {10}), mask({1, 9, 5}, {10}, 8)));
  EXPECT_FALSE(at::equal(mask({1, 9, 5}, {10}), mask({1, 9, 5}, {10}, 7, 4)));
  const at::Tensor heads = mask({1, 2, 9, 9}, {10});
  EXPECT_FALSE(at::equal(heads.select(1, 0), heads.select(1, 1)));
}

TEST(KeyedDropout, TheBackwardPassDrawsTheSameMask) {
  const at::Tensor x = at::ones({2, 9, 5}, at::kDouble).set_requires_grad(true);
  const at::Tensor y = keyed_dropout(x, 0.4, {1, keys({5, 6}), 2});
  const at::Tensor grad = torch::autograd::grad({y}, {x}, {at::ones_like(y)})[0];
  EXPECT_TRUE(at::equal(grad, y));
}

TEST(KeyedDropout, AllTypesShareOneMask) {
  const at::Tensor wide = keyed_dropout(at::ones({1, 9, 5}, at::kDouble), 0.3, {7, keys({10}), 3}).ne(0);
  for (const auto type : {at::kHalf, at::kBFloat16, at::kFloat})
    EXPECT_TRUE(at::equal(keyed_dropout(at::ones({1, 9, 5}, type), 0.3, {7, keys({10}), 3}).ne(0), wide));
}

TEST(KeyedDropout, RateZeroIsTheInputAndOtherRatesAreChecked) {
  const at::Tensor x = at::ones({1, 2, 3});
  EXPECT_TRUE(keyed_dropout(x, 0, {}).is_same(x));
  EXPECT_THROW(keyed_dropout(x, 1, {7, keys({1}), 0}), c10::Error);
  EXPECT_THROW(keyed_dropout(x, 0.5, {7, keys({1, 2}), 0}), c10::Error);
}

}  // namespace
