// Rotary positions: a rotation, its inverse as gradient, and the devices' composition as the plain twin.
#include "distill/kernels/rope.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "distill/tensor/device.h"

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

TEST(Rope, HeadsThatAreAViewNeedNoCopy) {
  at::manual_seed(7);
  const Case c;
  const at::Tensor cos = c.angles_PR.cos(), sin = c.angles_PR.sin();
  const at::Tensor wide_BTC = at::randn({2, 5, 60}, at::kDouble), view_BTHK = wide_BTC.narrow(2, 20, 24).view({2, 5, 3, 8});
  EXPECT_TRUE(at::equal(rope(view_BTHK, cos, sin, c.rows_BT, false), rope(view_BTHK.contiguous(), cos, sin, c.rows_BT, false)));
  const at::Tensor heads_first = at::randn({2, 3, 5, 8}, at::kDouble).transpose(1, 2);
  EXPECT_TRUE(at::equal(rope(heads_first, cos, sin, c.rows_BT, true), rope(heads_first.contiguous(), cos, sin, c.rows_BT, true)));
}

TEST(Rope, GpuEqualsCpu_CUDA) {
  if (!has_cuda()) GTEST_SKIP() << "needs a CUDA GPU: " << why_no_cuda().reason;
  at::manual_seed(8);
  const Case c;
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16})
    for (const bool interleaved : {false, true}) {
      const at::ScalarType wide = type == at::kDouble ? at::kDouble : at::kFloat;
      const at::Tensor cos = c.angles_PR.cos().to(wide), sin = c.angles_PR.sin().to(wide), x = c.x_BTHK.detach().to(type);
      const at::Tensor cpu = rope(x, cos, sin, c.rows_BT, interleaved);
      const at::Tensor gpu = rope(x.cuda(), cos.cuda(), sin.cuda(), c.rows_BT.cuda(), interleaved);
      EXPECT_LT((gpu.cpu() - cpu).abs().max().item<double>(), type == at::kDouble ? 1e-14 : type == at::kFloat ? 1e-6 : 0.05);
    }
}

}  // namespace
