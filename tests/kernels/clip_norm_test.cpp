// The global norm and clipping by it.
#include "distill/kernels/clip_norm.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

using namespace distill;

namespace {

std::vector<at::Tensor> gradients_of(at::ScalarType dtype) {
  at::manual_seed(1);
  return {at::randn({301, 7}).to(dtype), at::randn({65537}).to(dtype), at::randn({}).to(dtype), at::zeros({0}).to(dtype),
          at::randn({33, 5}).to(dtype).t()};
}

double plain_norm(const std::vector<at::Tensor>& gradients) {
  double sum = 0;
  for (const at::Tensor& gradient : gradients) sum += gradient.to(at::kDouble).square().sum().item<double>();
  return std::sqrt(sum);
}

TEST(ClipNorm, EqualsThePlainNormInFloat64) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const auto gradients = gradients_of(dtype);
    EXPECT_NEAR(global_norm(gradients).item<double>() / plain_norm(gradients), 1, 1e-12) << dtype;
  }
}

TEST(ClipNorm, AddsManyFloat32EntriesWithoutLoss) {
  const std::vector<at::Tensor> gradients = {at::full({20'000'000}, 1e-3, at::kFloat)};
  const double entry = static_cast<double>(1e-3f);
  EXPECT_NEAR(global_norm(gradients).item<double>() / (entry * std::sqrt(2e7)), 1, 1e-9);
}

TEST(ClipNorm, DoesNotOverflowWhereFloat32SquaresWould) {
  EXPECT_NEAR(global_norm(std::vector<at::Tensor>{at::full({4}, 1e30, at::kFloat)}).item<double>() / 2e30, 1, 1e-6);
}

TEST(ClipNorm, ThreadsDoNotChangeABit) {
  const auto gradients = gradients_of(at::kFloat);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const double one = global_norm(gradients).item<double>();
  at::set_num_threads(2);
  EXPECT_EQ(global_norm(gradients).item<double>(), one);
  at::set_num_threads(threads);
}

TEST(ClipNorm, TheFactorLowersToTheLimitAndNeverRaises) {
  const auto norm = [](double x) { return at::full({}, x, at::kDouble); };
  EXPECT_EQ(clip_factor(norm(3), 1e9).item<double>(), 1);
  EXPECT_NEAR(clip_factor(norm(4), 0.5).item<double>(), 0.125, 1e-15);
  EXPECT_EQ(clip_factor(norm(0), 1).item<double>(), 1);
}

TEST(ClipNorm, NoGradientsHaveNorm0) { EXPECT_EQ(global_norm({}).item<double>(), 0); }

TEST(ClipNorm, WhatIsNotFiniteShowsInTheNorm) {
  EXPECT_TRUE(std::isnan(global_norm(std::vector<at::Tensor>{at::full({3}, std::nan(""), at::kFloat)}).item<double>()));
  EXPECT_TRUE(std::isinf(global_norm(std::vector<at::Tensor>{at::full({3}, INFINITY, at::kFloat)}).item<double>()));
}

}  // namespace
