#include "distill/tensor/kept_cast.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>

#include "distill/core/error.h"

namespace distill {
namespace {

TEST(KeptCast, CastsAgainWhenTheWeightMovedAndNotBefore) {
  const at::Tensor weight = at::randn({4, 3}).requires_grad_();
  KeptCast kept;
  kept.keep_as(at::kBFloat16);
  const void* const place = kept.of(weight).const_data_ptr();
  kept.of(weight).view({-1})[0].fill_(77);  // would be cast away
  EXPECT_EQ(kept.of(weight).view({-1})[0].item<float>(), 77);
  {
    const at::NoGradGuard no_grad;
    weight.add_(1);
  }
  EXPECT_FALSE(kept.is_current(weight));
  EXPECT_TRUE(at::equal(kept.of(weight), weight.to(at::kBFloat16)));
  EXPECT_EQ(kept.of(weight).const_data_ptr(), place);
  EXPECT_FALSE(kept.of(weight).requires_grad());
}

TEST(KeptCast, FollowsAnotherWeightAndAnotherType) {
  const at::Tensor first = at::randn({4, 3}), second = at::randn({4, 3}), wider = at::randn({5, 3}).t();
  KeptCast kept;
  kept.keep_as(at::kHalf);
  for (const at::Tensor& weight : {first, second, wider}) EXPECT_TRUE(at::equal(kept.of(weight), weight.to(at::kHalf)));
  EXPECT_EQ(kept.copy().strides(), wider.strides());
  kept.keep_as(at::kBFloat16);
  EXPECT_FALSE(kept.is_current(wider));
  EXPECT_TRUE(at::equal(kept.of(wider), wider.to(at::kBFloat16)));
}

TEST(KeptCast, TrustsNoWeightWithoutAVersion) {
  const c10::InferenceMode inference;
  const at::Tensor weight = at::zeros({2});
  KeptCast kept;
  kept.keep_as(at::kHalf);
  kept.of(weight);
  weight.fill_(3);
  EXPECT_EQ(kept.of(weight)[1].item<float>(), 3);
}

TEST(KeptCast, KeepsNothingUntilItIsTold) {
  KeptCast kept;
  EXPECT_FALSE(kept.keeps(at::kHalf));
  EXPECT_FALSE(kept.copy().defined());
  EXPECT_THROW(kept.of(at::zeros({2})), Bug);
}

}  // namespace
}  // namespace distill
