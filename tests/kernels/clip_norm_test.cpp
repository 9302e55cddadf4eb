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

TEST(ClipNorm, ScalesDownToTheLimitAndNeverUp) {
  auto gradients = gradients_of(at::kDouble);
  const auto before = gradients[1].clone();
  clip_by_norm_(gradients, global_norm(gradients), 1e9);
  EXPECT_TRUE(at::equal(gradients[1], before));
  clip_by_norm_(gradients, global_norm(gradients), 0.5);
  EXPECT_NEAR(plain_norm(gradients), 0.5, 1e-12);
}

TEST(ClipNorm, ZeroGradientsStayZero) {
  std::vector<at::Tensor> gradients = {at::zeros({3})};
  clip_by_norm_(gradients, global_norm(gradients), 1);
  EXPECT_EQ(gradients[0].abs().max().item<float>(), 0);
  EXPECT_EQ(global_norm({}).item<double>(), 0);
}

TEST(ClipNorm, WhatIsNotFiniteShowsInTheNorm) {
  EXPECT_TRUE(std::isnan(global_norm(std::vector<at::Tensor>{at::full({3}, std::nan(""), at::kFloat)}).item<double>()));
  EXPECT_TRUE(std::isinf(global_norm(std::vector<at::Tensor>{at::full({3}, INFINITY, at::kFloat)}).item<double>()));
}

}  // namespace
