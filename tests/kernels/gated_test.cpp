// Gated products against torch's own activations in float64, value and gradient.
#include "distill/kernels/gated.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include "device_twin.h"

using namespace distill;
using namespace distill::testing_kernels;

namespace {

constexpr Gate kGates[] = {Gate::silu, Gate::gelu, Gate::gelu_tanh, Gate::relu, Gate::tanh};

at::Tensor plain(const at::Tensor& gate, const at::Tensor& up, Gate kind) {
  if (kind == Gate::silu) return at::silu(gate) * up;
  if (kind == Gate::gelu) return at::gelu(gate) * up;
  if (kind == Gate::gelu_tanh) return at::gelu(gate, "tanh") * up;
  return (kind == Gate::relu ? at::relu(gate) : at::tanh(gate)) * up;
}

struct Answer {
  at::Tensor y, gate, up;
};
template <class Function>
Answer differentiate(const Function& function, const at::Tensor& gate, const at::Tensor& up, const at::Tensor& g) {
  const at::Tensor y = function(gate, up);
  const auto grads = torch::autograd::grad({y}, {gate, up}, {g.to(y.scalar_type())});
  return {y.detach(), grads[0], grads[1]};
}

// Gates from the far left to the far right.
at::Tensor gates(std::vector<int64_t> shape) { return at::randn(shape, at::kDouble) * 4; }

TEST(GatedProduct, EqualsTheFloat64TwinInEveryTypeAndAtOddSizes) {
  at::manual_seed(1);
  for (const Gate kind : kGates)
    for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16})
      for (const std::vector<int64_t>& shape : {std::vector<int64_t>{3, 7, 130}, {1, 1}, {0, 5}, {700, 3}, {2, 64}}) {
        const at::Tensor gate = gates(shape).to(type), up = at::randn(shape).to(type), g = at::randn(shape).to(type);
        const auto wide = [](const at::Tensor& x) { return x.to(at::kDouble).set_requires_grad(true); };
        const Answer wanted =
            differentiate([&](auto& a, auto& b) { return plain(a, b, kind); }, wide(gate), wide(up), g.to(at::kDouble));
        const Answer found = differentiate([&](auto& a, auto& b) { return gated_product(a, b, kind); },
                                           gate.clone().set_requires_grad(true), up.clone().set_requires_grad(true), g);
        const double bound = 20 * rounding(type);
        EXPECT_EQ(found.y.scalar_type(), type);
        EXPECT_LT(largest_difference(found.y, wanted.y), bound) << static_cast<int>(kind) << type << shape;
        EXPECT_LT(largest_difference(found.gate, wanted.gate), bound) << static_cast<int>(kind) << type << shape;
        EXPECT_LT(largest_difference(found.up, wanted.up), bound) << static_cast<int>(kind) << type << shape;
      }
}

TEST(GatedProduct, Float32IsWithinAFewRoundingsOfTorchs) {
  at::manual_seed(2);
  const at::Tensor gate = at::linspace(-30, 30, 100001, at::kDouble).unsqueeze(0), one = at::ones_like(gate);
  for (const Gate kind : {Gate::silu, Gate::gelu, Gate::gelu_tanh}) {
    const at::Tensor found = gated_product(gate.to(at::kFloat), one.to(at::kFloat), kind);
    EXPECT_LT(largest_difference(found, plain(gate.to(at::kFloat).to(at::kDouble), one, kind)), 4e-6) << static_cast<int>(kind);
  }
}

TEST(GatedProduct, HalvesOfOneProductNeedNoCopy) {
  at::manual_seed(3);
  const at::Tensor both = at::randn({4, 5, 26}).set_requires_grad(true), g = at::randn({4, 5, 13});
  const auto halves = both.split(13, -1);
  const at::Tensor found = torch::autograd::grad({gated_product(halves[0], halves[1], Gate::silu)}, {both}, {g})[0];
  const at::Tensor wanted = torch::autograd::grad({plain(halves[0], halves[1], Gate::silu)}, {both}, {g})[0];
  EXPECT_LT(largest_difference(found, wanted), 2e-6);
}

TEST(GatedProduct, WhatIsNotANumberStaysSo) {
  const at::Tensor gate = at::full({1, 3}, NAN), up = at::ones({1, 3});
  for (const Gate kind : kGates) EXPECT_TRUE(gated_product(gate, up, kind).isnan().all().item<bool>()) << static_cast<int>(kind);
}

TEST(GatedProduct, BitsDoNotDependOnTheNumberOfThreads) {
  at::manual_seed(4);
  const at::Tensor gate = at::randn({513, 130}).set_requires_grad(true), up = at::randn({513, 130}).set_requires_grad(true);
  const auto silu = [](auto& a, auto& b) { return gated_product(a, b, Gate::silu); };
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Answer one = differentiate(silu, gate, up, at::ones({513, 130}));
  at::set_num_threads(2);
  const Answer two = differentiate(silu, gate, up, at::ones({513, 130}));
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.y, two.y) && at::equal(one.gate, two.gate) && at::equal(one.up, two.up));
}

TEST(GatedProduct, GpuEqualsCpu_CUDA) {
  if (!has_cuda()) GTEST_SKIP() << "needs a CUDA GPU: " << why_no_cuda().reason;
  at::manual_seed(5);
  for (const Gate kind : kGates)
    for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}) {
      const at::Tensor gate = gates({7, 130}).to(type), up = at::randn({7, 130}).to(type), g = at::randn({7, 130}).to(type);
      const auto function = [&](auto& a, auto& b) { return gated_product(a, b, kind); };
      const Answer cpu = differentiate(function, leaf_on(gate, at::kCPU), leaf_on(up, at::kCPU), g);
      const Answer gpu = differentiate(function, leaf_on(gate, at::kCUDA), leaf_on(up, at::kCUDA), g.to(at::kCUDA));
      EXPECT_LT(largest_difference(gpu.y, cpu.y), 20 * rounding(type));
      EXPECT_LT(largest_difference(gpu.gate, cpu.gate), 20 * rounding(type));
      EXPECT_LT(largest_difference(gpu.up, cpu.up), 20 * rounding(type));
    }
}

}  // namespace
