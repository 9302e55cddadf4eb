#include "distill/optim/optimizer.h"

#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "distill/core/error.h"
#include "distill/optim/loss_scaler.h"

namespace distill {
namespace {

at::Tensor leaf(std::vector<double> values, at::ScalarType dtype = at::kDouble) {
  return at::tensor(values, at::TensorOptions().dtype(dtype)).requires_grad_(true);
}

// The update of Loshchilov and Hutter, written out for one number.
struct PlainAdamW {
  double m = 0, v = 0;
  int step = 0;
  double update(double w, double g, double lr, double decay) {
    ++step;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const double m_hat = m / (1 - std::pow(0.9, step)), v_hat = v / (1 - std::pow(0.999, step));
    return w * (1 - lr * decay) - lr * m_hat / (std::sqrt(v_hat) + 1e-8);
  }
};

TEST(Optimizer, EqualsTheWrittenOutUpdateAndDecaysMatricesOnly) {
  const at::Tensor matrix = leaf({0.5}), vector = leaf({-0.25});
  OptimizerRecipe recipe;
  recipe.weight_decay = 0.1;
  Optimizer optimizer(recipe, {{"matrix", matrix, true}, {"vector", vector, false}});
  PlainAdamW plain_matrix, plain_vector;
  double w = 0.5, b = -0.25;
  for (int i = 1; i <= 5; ++i) {
    matrix.mutable_grad() = at::full({1}, 0.3 * i, at::kDouble);
    vector.mutable_grad() = at::full({1}, -0.2 * i, at::kDouble);
    optimizer.step(1e-2, at::zeros({}));
    w = plain_matrix.update(w, 0.3 * i, 1e-2, 0.1);
    b = plain_vector.update(b, -0.2 * i, 1e-2, 0);
    EXPECT_NEAR(matrix.item<double>(), w, 1e-12);
    EXPECT_NEAR(vector.item<double>(), b, 1e-12);
  }
}

TEST(Optimizer, AParameterMayHaveAPeakOfItsOwnOnTheSameSchedule) {
  const at::Tensor common = leaf({0.5}), own = leaf({0.5});
  OptimizerRecipe recipe;
  recipe.learning_rate = 1e-3;
  recipe.weight_decay = 0.1;
  Optimizer optimizer(recipe, {{"common", common, true}, {"own", own, true}}, {{"own", 2e-2}});
  PlainAdamW plain_common, plain_own;
  double w = 0.5, p = 0.5;
  for (int i = 1; i <= 4; ++i) {
    const double rate = 1e-3 / i;  // what a schedule makes of the optimizer's peak
    common.mutable_grad() = at::full({1}, 0.3 * i, at::kDouble);
    own.mutable_grad() = at::full({1}, 0.3 * i, at::kDouble);
    optimizer.step(rate, at::zeros({}));
    w = plain_common.update(w, 0.3 * i, rate, 0.1);
    p = plain_own.update(p, 0.3 * i, 20 * rate, 0.1);
    EXPECT_NEAR(common.item<double>(), w, 1e-12);
    EXPECT_NEAR(own.item<double>(), p, 1e-12);
  }
}

TEST(Optimizer, AnUpdateIsSeenByTheVersionCounter) {
  const at::Tensor weight = leaf({0.5}, at::kFloat);
  Optimizer optimizer({}, {{"w", weight, true}});
  weight.mutable_grad() = at::ones({1});
  const uint32_t before = weight._version();
  optimizer.step(1e-2, at::zeros({}));
  EXPECT_GT(weight._version(), before);
}

TEST(Optimizer, ASkippedUpdateMovesNoBit) {
  const at::Tensor weight = leaf({0.5, 0.25}, at::kFloat);
  Optimizer optimizer({}, {{"w", weight, true}});
  weight.mutable_grad() = at::ones({2});
  optimizer.step(1e-2, at::zeros({}));
  std::vector<at::Tensor> before{weight.detach().clone()};
  for (const NamedTensor& one : optimizer.state()) before.push_back(one.tensor.clone());
  weight.mutable_grad() = at::full({2}, INFINITY);
  optimizer.step(1e-2, at::ones({}));
  EXPECT_TRUE(at::equal(before[0], weight.detach()));
  for (size_t i = 0; i < optimizer.state().size(); ++i) EXPECT_TRUE(at::equal(before[i + 1], optimizer.state()[i].tensor));
}

TEST(Optimizer, TheFactorMultipliesGradientsBeforeTheMoments) {
  const at::Tensor scaled = leaf({0.5}), plain = leaf({0.5});
  Optimizer of_scaled({}, {{"w", scaled, true}}), of_plain({}, {{"w", plain, true}});
  scaled.mutable_grad() = at::full({1}, 3.0 * 1024, at::kDouble);
  plain.mutable_grad() = at::full({1}, 3.0, at::kDouble);
  of_scaled.step(1e-2, at::zeros({}), at::full({}, 1.0 / 1024, at::kDouble));
  of_plain.step(1e-2, at::zeros({}));
  EXPECT_TRUE(at::equal(scaled, plain));
  EXPECT_TRUE(at::equal(of_scaled.state()[1].tensor, of_plain.state()[1].tensor));
}

TEST(Optimizer, NothingToTrainIsARecipeError) { EXPECT_THROW(Optimizer({}, {{"frozen", at::ones({2}), true}}), RecipeError); }

TEST(LossScaler, HalvesOnOverflowAndDoublesAfterCleanUpdates) {
  LossScaler scaler({.enabled = true, .initial_scale = 1024, .growth_interval = 3}, at::kCPU);
  const at::Tensor clean = at::zeros({}), overflow = at::ones({});
  scaler.update(overflow);
  EXPECT_EQ(scaler.state().scale, 512);
  for (int i = 0; i < 2; ++i) scaler.update(clean);
  EXPECT_EQ(scaler.state().scale, 512);
  const LossScaler::State middle = scaler.state();
  scaler.update(clean);
  EXPECT_EQ(scaler.state().scale, 1024);
  scaler.restore(middle);
  scaler.update(clean);
  EXPECT_EQ(scaler.state().scale, 1024) << "the growth tracker is part of the state";
}

TEST(LossScaler, AStateWithoutAScaleLeavesTheInitialOne) {
  const LossScaler off({}, at::kCPU);
  LossScaler scaler({.enabled = true, .initial_scale = 1024}, at::kCPU);
  scaler.restore(off.state());
  EXPECT_EQ(scaler.state().scale, 1024);
}

TEST(LossScaler, TheInverseIsExactAndOneWithoutScaling) {
  EXPECT_EQ(LossScaler({.enabled = true, .initial_scale = 8}, at::kCPU).inverse().item<double>(), 0.125);
  EXPECT_EQ(LossScaler({}, at::kCPU).inverse().item<double>(), 1);
}

}  // namespace
}  // namespace distill
