// Whom an update asks: a term whose weight has moved to 0 costs nothing any more.
#include <gmock/gmock.h>

#include "distill/teacher/live.h"

#include "train/small_updates.h"

namespace distill {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CountingTeacher : public Teacher {
 public:
  explicit CountingTeacher(Transformer model) : live_(std::move(model)) {}
  ForwardOutput forward(const TokenBatch& batch, const Needs& needs) override {
    asked.push_back(needs);
    return live_.forward(batch, needs);
  }
  const ModelSpec& spec() const override { return live_.spec(); }

  std::vector<Needs> asked;

 private:
  LiveTeacher live_;
};

TermRecipe term(TermFunction function, Ramp weight) {
  TermRecipe recipe;
  recipe.function = function;
  recipe.weight = weight;
  return recipe;
}

// Updates of two micro-batches with the given terms.
class Updates {
 public:
  explicit Updates(std::vector<TermRecipe> terms)
      : objective_(std::move(terms), shape_of(student_.spec()), shape_of(teacher_.spec()),
                   {7, at::kFloat, at::kFloat, at::kCPU, kTestVocabulary, false}),
        optimizer_({}, student_.parameters()) {}

  // The raw terms of update `number` (counted from 1) of 10, and its grad_norm behind them.
  std::vector<double> run(int64_t number, int64_t share_every = 0) {
    teacher_.asked.clear();
    StepParts parts{student_, &teacher_, objective_, optimizer_, scaler_, {}};
    parts.seed = 7;
    parts.gradient_share_every = share_every;
    objective_.start_update(number, 10);
    const at::Tensor values = *run_step(parts, small_update(number), 1e-3);
    std::vector<double> figures(values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel());
    return figures;
  }
  const std::vector<Needs>& asked() const { return teacher_.asked; }
  const Objective& objective() const { return objective_; }

 private:
  Transformer student_ = tiny_model(16, 2, at::kFloat, true);
  CountingTeacher teacher_{tiny_model(24, 3, at::kFloat, false)};
  Objective objective_;
  Optimizer optimizer_;
  LossScaler scaler_{{.enabled = false}, at::kCPU};
};

TEST(NeedsOfAnUpdate, ATermWhoseWeightHasReachedZeroAsksForNothing) {
  Updates updates({term(TermFunction::kl, {1, 0, steps(2)}), term(TermFunction::hidden_mse, {1, 0, steps(3)}),
                   term(TermFunction::attention_mse, {1, 0, steps(1)}), term(TermFunction::cross_entropy, 0.5)});
  updates.run(1);  // all weights above 0
  ASSERT_EQ(updates.asked().size(), 2u);
  EXPECT_TRUE(updates.asked()[0].logits);
  EXPECT_FALSE(updates.asked()[0].head_layers.empty());
  updates.run(2);  // attention is at 0
  ASSERT_EQ(updates.asked().size(), 2u);
  EXPECT_TRUE(updates.asked()[1].logits);
  EXPECT_TRUE(updates.asked()[1].head_layers.empty());
  EXPECT_TRUE(updates.objective().student_needs().head_layers.empty());
  updates.run(3);  // kl too
  ASSERT_EQ(updates.asked().size(), 2u);
  EXPECT_FALSE(updates.asked()[0].logits);
  EXPECT_THAT(updates.asked()[0].hidden_layers, ElementsAre(2, 3));
  EXPECT_THAT(updates.objective().student_needs().hidden_layers, ElementsAre(1, 2));
  const std::vector<double> last = updates.run(4);  // only the labels are left
  EXPECT_THAT(updates.asked(), IsEmpty());
  EXPECT_THAT(updates.objective().student_needs().hidden_layers, IsEmpty());
  EXPECT_TRUE(updates.objective().student_needs().logits);
  EXPECT_GT(last[3], 0);
  EXPECT_EQ(last[0] + last[1] + last[2], 0);
}

// What is left out changes nothing of what stays: the gradient is that of the labels alone.
TEST(NeedsOfAnUpdate, WhatStaysIsComputedAsIfItStoodAlone) {
  Updates moving({term(TermFunction::kl, {1, 0, steps(1)}), term(TermFunction::cross_entropy, 0.5)});
  Updates alone({term(TermFunction::cross_entropy, 0.5)});
  const std::vector<double> with = moving.run(3), without = alone.run(3);
  EXPECT_EQ(with[1], without[0]);
  EXPECT_EQ(with[2], without[1]) << "grad_norm";
}

TEST(NeedsOfAnUpdate, AWeightThatRisesFromZeroStartsTheTeacherWithIt) {
  Updates updates({term(TermFunction::kl, {0, 1, steps(4)}), term(TermFunction::cross_entropy, 1)});
  updates.run(1);
  EXPECT_THAT(updates.asked(), IsEmpty());
  updates.run(2);
  EXPECT_EQ(updates.asked().size(), 2u);
}

TEST(NeedsOfAnUpdate, SharesOfTheGradientAskTheTeacherOnlyForTermsThatReadIt) {
  Updates updates({term(TermFunction::kl, 1), term(TermFunction::cross_entropy, 1)});
  updates.run(1, /*share_every=*/1);
  EXPECT_EQ(updates.asked().size(), 4u);  // the update and the share of kl, two micro-batches each
}

TEST(NeedsOfAnUpdate, AnUpdateWithoutAnyWeightAsksNobody) {
  Updates updates({term(TermFunction::kl, {1, 0, steps(1)})});
  const std::vector<double> figures = updates.run(2);
  EXPECT_THAT(updates.asked(), IsEmpty());
  EXPECT_EQ(figures[0], 0);
  EXPECT_EQ(figures[1], 0) << "grad_norm";
}

}  // namespace
}  // namespace distill
