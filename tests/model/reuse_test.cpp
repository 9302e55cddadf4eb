// What is made once and used again: gradients that grow in place, rotary tables, masks as scores.
#include <gtest/gtest.h>

#include "distill/model/forward_pass.h"
#include "distill/model/linear.h"
#include "distill/model/position.h"

#include "support.h"

using namespace distill;
using namespace distill::testing_model;

namespace {

TEST(LinearGradient, GrowsInPlaceOverMicroBatchesAsTorchsDoes) {
  at::manual_seed(1);
  for (const bool stored_in_out : {false, true}) {
    const at::Tensor weight = at::randn({5, 7}, at::kDouble).set_requires_grad(true);
    const Linear layer{weight, {}, stored_in_out};
    at::Tensor wanted = at::zeros({5, 7}, at::kDouble);
    const void* place = nullptr;
    for (int i = 0; i < 3; ++i) {
      const at::Tensor x = at::randn({2, 3, stored_in_out ? 5 : 7}, at::kDouble);
      backward(layer(x).sin().sum());
      const at::Tensor y = x.matmul(stored_in_out ? weight : weight.t()).sin().sum();
      wanted += torch::autograd::grad({y}, {weight})[0];
      EXPECT_LT((weight.grad() - wanted).abs().max().item<double>(), 1e-13);
      if (place) {
        EXPECT_EQ(weight.grad().const_data_ptr(), place);
      }
      place = weight.grad().const_data_ptr();
    }
  }
}

TEST(LinearGradient, AskedForByNameLeavesTheKeptOneAlone) {
  const at::Tensor weight = at::randn({5, 7}, at::kDouble).set_requires_grad(true), x = at::randn({3, 7}, at::kDouble);
  const Linear layer{weight, {}, false};
  backward(layer(x).sum());
  const at::Tensor before = weight.grad().clone();
  EXPECT_TRUE(at::equal(torch::autograd::grad({layer(x).sum()}, {weight})[0], before));
  EXPECT_TRUE(at::equal(weight.grad(), before));
}

TEST(RotaryTables, OfShorterAndLongerBatchesAreThoseOfAFreshModel) {
  RopeSpec rope;
  rope.rotary_size = 8;
  const Rotary kept(rope, 64);
  const auto batch_of = [](int64_t length) { return make_batch({{Document(static_cast<size_t>(length), 1)}}); };
  for (const int64_t length : {5, 3, 9, 9, 1})
    for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
      const RotaryTables found = kept.tables(batch_of(length), dtype), wanted = Rotary(rope, 64).tables(batch_of(length), dtype);
      EXPECT_TRUE(at::equal(found.cos_PR, wanted.cos_PR) && at::equal(found.sin_PR, wanted.sin_PR)) << length;
    }
}

TEST(ScoreMask, SaysWhatTheBoolMaskSaysAndIsMadeOnce) {
  ModelSpec spec;
  const TokenBatch batch = make_batch({{{1, 2, 3}, {4, 5}}, {{6, 7}}}, 7);
  const ForwardPass pass(spec, {}, batch, {}, at::kFloat);
  for (const int64_t window : {0, 2}) {
    const at::Tensor mask = pass.score_mask_B1TT(window, at::kHalf);
    EXPECT_TRUE(at::equal(mask.eq(0), pass.visible_BTT(window).unsqueeze(1)));
    EXPECT_TRUE(at::equal(mask.isinf(), mask.ne(0)));
    EXPECT_EQ(mask.stride(2) % 16, 0);
    EXPECT_EQ(mask.const_data_ptr(), pass.score_mask_B1TT(window, at::kHalf).const_data_ptr());
  }
}

}  // namespace
