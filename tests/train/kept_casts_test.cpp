// 16-bit copies of the weights that live through the updates: the optimizer moves them, nothing is cast a second time, and no bit
// of a run depends on them.
#include <gtest/gtest.h>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>

#include <algorithm>

#include "distill/teacher/live.h"
#include "distill/tensor/kept_cast.h"

#include "kernels/allocation_watch.h"
#include "train/small_updates.h"

namespace distill {
namespace {

// Updates of two micro-batches in 16-bit products.
class Updates {
 public:
  Updates(at::ScalarType dtype, Recompute recompute, bool keeps)
      : teacher_(tiny_model(48, 3, dtype, false)),
        objective_({TermRecipe{}}, shape_of(student_.spec()), shape_of(teacher_.spec()),
                   {7, at::kFloat, dtype, at::kCPU, kTestVocabulary, false}),
        optimizer_({}, student_.parameters()),
        scaler_({.enabled = dtype == at::kHalf}, at::kCPU),
        parts_{student_, &teacher_, objective_, optimizer_, scaler_, {}} {
    parts_.precision.autocast = dtype;
    parts_.forward.recompute = recompute;
    parts_.seed = 7;
    if (keeps) student_.keep_casts(dtype, recompute);
  }

  at::Tensor run(int64_t number) const { return *run_step(parts_, small_update(number), 1e-2); }
  const std::vector<NamedTensor>& parameters() const { return student_.parameters(); }
  Optimizer& optimizer() { return optimizer_; }

 private:
  Transformer student_ = tiny_model(32, 3, at::kFloat, true);
  LiveTeacher teacher_;
  Objective objective_;
  Optimizer optimizer_;
  LossScaler scaler_;
  StepParts parts_;
};

constexpr at::ScalarType kNarrow[] = {at::kHalf, at::kBFloat16};
constexpr Recompute kModes[] = {Recompute::none, Recompute::selective, Recompute::full};

TEST(KeptCasts, ChangeNoBitOfARun) {
  for (const at::ScalarType dtype : kNarrow)
    for (const Recompute recompute : kModes) {
      const Updates with(dtype, recompute, true), without(dtype, recompute, false);
      for (int64_t number = 1; number <= 4; ++number) EXPECT_TRUE(at::equal(with.run(number), without.run(number))) << number;
      for (size_t i = 0; i < with.parameters().size(); ++i)
        EXPECT_TRUE(at::equal(with.parameters()[i].tensor, without.parameters()[i].tensor)) << with.parameters()[i].name;
    }
}

TEST(KeptCasts, AreMovedByTheOptimizerAndNeverMadeAgain) {
  for (const at::ScalarType dtype : kNarrow) {
    const Updates updates(dtype, Recompute::none, true);
    updates.run(1);
    int64_t moved = 0;
    for (const NamedTensor& one : updates.parameters()) {
      if (!one.kept->copy().defined()) continue;
      EXPECT_TRUE(one.kept->is_current(one.tensor)) << one.name;
      EXPECT_TRUE(at::equal(one.kept->copy(), one.tensor.to(dtype))) << one.name;
      moved += one.tensor.numel();
    }
    EXPECT_GT(moved, 3 * (4 * 32 * 32));  // the matrices of the blocks, and the head
    const auto bytes_of = [](const Updates& run) {
      const test::AllocationWatch watch;
      run.run(2);
      return watch.total_bytes();
    };
    const Updates casting(dtype, Recompute::none, false);
    casting.run(1);
    // Two micro-batches, two bytes for each number: the head's copy lives on in both.
    EXPECT_LE(bytes_of(updates) + 2 * 2 * (moved - kTestVocabulary * 32), bytes_of(casting));
  }
}

TEST(KeptCasts, OfBlocksAreNotTakenWhereBlocksAreRecomputed) {
  const Updates updates(at::kBFloat16, Recompute::full, true);
  updates.run(1);
  std::vector<std::string> kept;
  for (const NamedTensor& one : updates.parameters())
    if (one.kept->copy().defined()) kept.push_back(one.name);
  ASSERT_EQ(kept.size(), 1u);  // the head
  EXPECT_TRUE(kept[0] == "lm_head.weight" || kept[0] == "model.embed_tokens.weight") << kept[0];
}

TEST(KeptCasts, AWeightThatWasLoadedAnewIsCastAnew) {
  const Updates updates(at::kBFloat16, Recompute::none, true);
  updates.run(1);
  for (const NamedTensor& one : updates.parameters()) {
    const at::NoGradGuard no_grad;
    one.tensor.mul_(0.5);
  }
  for (const NamedTensor& one : updates.parameters()) EXPECT_FALSE(one.kept->is_current(one.tensor));
  updates.run(2);
  for (const NamedTensor& one : updates.parameters())
    if (one.kept->copy().defined()) EXPECT_TRUE(at::equal(one.kept->copy(), one.tensor.to(at::kBFloat16))) << one.name;
}

TEST(KeptCasts, ASkippedUpdateMovesNeitherWeightNorCopy) {
  Updates updates(at::kHalf, Recompute::none, true);
  updates.run(1);
  const auto has_copy = [](const NamedTensor& one) { return one.kept->copy().defined(); };
  const auto one = std::find_if(updates.parameters().begin(), updates.parameters().end(), has_copy);
  ASSERT_NE(one, updates.parameters().end());
  const at::Tensor weight = one->tensor.detach().clone(), copy = one->kept->copy().clone();
  one->tensor.mutable_grad().fill_(3);
  updates.optimizer().step(1e-2, at::ones({}));
  EXPECT_TRUE(at::equal(one->tensor, weight));
  EXPECT_TRUE(at::equal(one->kept->copy(), copy));
  EXPECT_TRUE(one->kept->is_current(one->tensor));
}

}  // namespace
}  // namespace distill
