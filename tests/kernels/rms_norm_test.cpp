// The lean rms norm against the plain composition, value and gradient.
#include "distill/kernels/rms_norm.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

using namespace distill;

namespace {

at::Tensor plain(const at::Tensor& x, const at::Tensor& weight, double eps, bool plus_one) {
  return x / (x.square().mean(-1, true) + eps).sqrt() * (plus_one ? weight + 1 : weight);
}

double largest(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

struct Gradients {
  at::Tensor x, weight;
};
Gradients differentiate(const at::Tensor& y, const at::Tensor& g, const at::Tensor& x, const at::Tensor& weight) {
  const auto grads = torch::autograd::grad({y}, {x, weight}, {g});
  return {grads[0], grads[1]};
}

TEST(RmsNorm, EqualsThePlainCompositionInFloat64) {
  at::manual_seed(1);
  for (const bool plus_one : {false, true}) {
    const at::Tensor x = at::randn({3, 7, 37}, at::kDouble).set_requires_grad(true), g = at::randn({3, 7, 37}, at::kDouble);
    const at::Tensor weight = at::randn({37}, at::kDouble).set_requires_grad(true);
    const at::Tensor y = rms_norm(x, weight, 1e-3, plus_one, at::kDouble), expected = plain(x, weight, 1e-3, plus_one);
    EXPECT_LT(largest(y, expected), 1e-13);
    const Gradients found = differentiate(y, g, x, weight), wanted = differentiate(expected, g, x, weight);
    EXPECT_LT(largest(found.x, wanted.x), 1e-13);
    EXPECT_LT(largest(found.weight, wanted.weight), 1e-12);
  }
}

TEST(RmsNorm, LowPrecisionOutputsAndWeightsKeepFloat32Inside) {
  at::manual_seed(2);
  const at::Tensor x = at::randn({5, 64}).set_requires_grad(true);
  const at::Tensor weight = at::randn({64}).to(at::kBFloat16).set_requires_grad(true);
  const at::Tensor y = rms_norm(x, weight, 1e-6, false, at::kBFloat16);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(y, plain(x, weight.to(at::kFloat), 1e-6, false).to(at::kBFloat16)) ||
              largest(y, plain(x, weight.to(at::kFloat), 1e-6, false)) < 0.03);
  const Gradients found = differentiate(y, at::ones_like(y), x, weight);
  EXPECT_EQ(found.x.scalar_type(), at::kFloat);
  EXPECT_EQ(found.weight.scalar_type(), at::kBFloat16);
}

TEST(RmsNorm, BitsDoNotDependOnTheNumberOfThreads) {
  at::manual_seed(3);
  const at::Tensor x = at::randn({513, 48}).set_requires_grad(true), weight = at::randn({48}).set_requires_grad(true);
  const at::Tensor g = at::randn({513, 48});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Gradients one = differentiate(rms_norm(x, weight, 1e-6, false, at::kFloat), g, x, weight);
  at::set_num_threads(2);
  const Gradients two = differentiate(rms_norm(x, weight, 1e-6, false, at::kFloat), g, x, weight);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.x, two.x));
  EXPECT_TRUE(at::equal(one.weight, two.weight));
}

}  // namespace
