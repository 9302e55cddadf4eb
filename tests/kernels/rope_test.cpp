// Rotary positions: a rotation, its inverse as gradient, and the devices' composition as the plain twin.
#include "distill/kernels/rope.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

using namespace distill;

namespace {

struct Case {
  at::Tensor x_BTHK = at::randn({2, 5, 3, 8}, at::kDouble).set_requires_grad(true);
  at::Tensor angles_PR = at::randn({9, 3}, at::kDouble);
  at::Tensor rows_BT = at::randint(9, {2, 5}, at::kLong);
};

// Complex multiplication, channel pair by channel pair; two channels of eight stay.
at::Tensor plain(const Case& c, bool interleaved) {
  const at::Tensor angles = c.angles_PR.index_select(0, c.rows_BT.flatten()).view({2, 5, 1, 3});
  std::vector<at::Tensor> channels = c.x_BTHK.unbind(-1);
  for (int64_t i = 0; i < 3; ++i) {
    const int64_t first = interleaved ? 2 * i : i, second = interleaved ? 2 * i + 1 : i + 3;
    const at::Tensor angle = angles.select(-1, i), a = channels[first], b = channels[second];
    channels[first] = a * angle.cos() - b * angle.sin();
    channels[second] = a * angle.sin() + b * angle.cos();
  }
  return at::stack(channels, -1);
}

TEST(Rope, TurnsPairsByTheAnglesOfTheirRowsAndBackInTheGradient) {
  at::manual_seed(4);
  const Case c;
  const at::Tensor g = at::randn({2, 5, 3, 8}, at::kDouble);
  for (const bool interleaved : {false, true}) {
    const at::Tensor y = rope(c.x_BTHK, c.angles_PR.cos(), c.angles_PR.sin(), c.rows_BT, interleaved),
                     expected = plain(c, interleaved);
    EXPECT_LT((y - expected).abs().max().item<double>(), 1e-14);
    const at::Tensor found = torch::autograd::grad({y}, {c.x_BTHK}, {g})[0],
                     wanted = torch::autograd::grad({expected}, {c.x_BTHK}, {g})[0];
    EXPECT_LT((found - wanted).abs().max().item<double>(), 1e-14);
  }
}

TEST(Rope, WithoutRowsTokenTTakesRowT) {
  at::manual_seed(5);
  const Case c;
  const at::Tensor rows = at::arange(5, at::kLong).expand({2, 5}).contiguous();
  const at::Tensor cos = c.angles_PR.cos(), sin = c.angles_PR.sin();
  EXPECT_TRUE(at::equal(rope(c.x_BTHK, cos, sin, {}, false), rope(c.x_BTHK, cos, sin, rows, false)));
}

TEST(Rope, LowPrecisionHeadsKeepTheirTypeAndTurnInFloat32) {
  at::manual_seed(6);
  const Case c;
  const at::Tensor x = c.x_BTHK.detach().to(at::kBFloat16), cos = c.angles_PR.cos().to(at::kFloat),
                   sin = c.angles_PR.sin().to(at::kFloat);
  const at::Tensor y = rope(x, cos, sin, c.rows_BT, false);
  EXPECT_TRUE(at::equal(y, rope(x.to(at::kFloat), cos, sin, c.rows_BT, false).to(at::kBFloat16)));
}

}  // namespace
