// What helps an update that does not fit, and in which order it is tried.
#include "distill/plan/fit.h"

#include <gtest/gtest.h>

namespace distill {
namespace {

ModelSpec small_llama(int64_t hidden, int64_t layers) {
  const Json config = {{"architectures", {"LlamaForCausalLM"}},
                       {"model_type", "llama"},
                       {"hidden_size", hidden},
                       {"num_hidden_layers", layers},
                       {"num_attention_heads", 4},
                       {"num_key_value_heads", 2},
                       {"intermediate_size", 3 * hidden},
                       {"vocab_size", 1000},
                       {"max_position_embeddings", 4096},
                       {"rms_norm_eps", 1e-6},
                       {"tie_word_embeddings", true}};
  return read_spec(config, "llama");
}

UpdateFacts facts() {
  UpdateFacts facts;
  facts.student.spec = small_llama(64, 6);
  facts.teacher = ModelFacts{small_llama(128, 4), 4, {}, {}, {}};
  facts.on_gpu = true;
  facts.rows = 12;
  facts.length = 256;
  facts.kept_rows = 12 * 255;
  facts.logits = {1000, 1000, 512, 512, false};
  return facts;
}

int64_t peak_with(GradientCheckpointing mode, int64_t rows = 12, int64_t length = 256) {
  UpdateFacts other = facts();
  other.checkpointing = mode;
  other.rows = rows;
  other.length = length;
  other.kept_rows = facts().kept_rows * rows * length / (12 * 256);
  return estimate_update(other).peak().bytes;
}

using Settings = std::vector<std::pair<std::string, std::string>>;

TEST(Fit, PhasesAreTheSumsOfTheirPartsAndThePeakIsTheWidest) {
  const MemoryPlan plan = estimate_update(facts());
  ASSERT_EQ(plan.phases.size(), 4u);
  for (const PhaseBytes& phase : plan.phases) {
    int64_t sum = 0;
    for (const MemoryPart& part : phase.parts) sum += part.bytes;
    EXPECT_EQ(sum, phase.bytes);
    EXPECT_LE(phase.bytes, plan.peak().bytes);
  }
  EXPECT_EQ(plan.peak().parts.front().name, "student weights");
  EXPECT_EQ(plan.peak().parts.front().bytes, 4 * count_parameters(facts().student.spec));
}

TEST(Fit, NothingChangesWhereThereIsRoom) {
  const int64_t peak = peak_with(GradientCheckpointing::none);
  const Fit fit = fit_update(facts(), 4, peak);
  EXPECT_TRUE(fit.fits);
  EXPECT_FALSE(fit.change);
  EXPECT_FALSE(fit_update(facts(), 4, peak - 1).fits);
}

TEST(Fit, AutoIsTheFirstModeThatFits) {
  UpdateFacts automatic = facts();
  automatic.checkpointing = GradientCheckpointing::automatic;
  for (const GradientCheckpointing mode :
       {GradientCheckpointing::none, GradientCheckpointing::selective, GradientCheckpointing::full}) {
    const Fit fit = fit_update(automatic, 4, peak_with(mode));
    EXPECT_TRUE(fit.fits);
    EXPECT_EQ(fit.checkpointing, mode);
    EXPECT_EQ(fit.plan.peak().bytes, peak_with(mode));
  }
  const Fit none_does = fit_update(automatic, 4, peak_with(GradientCheckpointing::full) - 1);
  EXPECT_FALSE(none_does.fits);
  EXPECT_EQ(none_does.checkpointing, GradientCheckpointing::full);
  EXPECT_FALSE(none_does.change->checkpointing) << "it is that already";
}

TEST(Fit, OnACpuRecomputationIsNotProposed) {
  UpdateFacts on_cpu = facts();
  on_cpu.on_gpu = false;
  on_cpu.checkpointing = GradientCheckpointing::automatic;
  const Fit fit = fit_update(on_cpu, 4, peak_with(GradientCheckpointing::full) - kGpuLibraryBytes);
  EXPECT_FALSE(fit.fits);
  EXPECT_EQ(fit.checkpointing, GradientCheckpointing::none);
  ASSERT_TRUE(fit.change);
  EXPECT_FALSE(fit.change->checkpointing);
  EXPECT_TRUE(fit.change->batch_size);
}

TEST(Fit, CheckpointingComesFirstThenFewerRowsThenShorterOnes) {
  const int64_t selective = peak_with(GradientCheckpointing::selective), full = peak_with(GradientCheckpointing::full);
  ASSERT_LT(full, selective);
  const Fit first = fit_update(facts(), 4, selective);
  ASSERT_TRUE(first.change);
  EXPECT_EQ(first.change->settings(), (Settings{{"train.gradient_checkpointing", "selective"}}));
  const Fit second = fit_update(facts(), 4, selective - 1);
  ASSERT_TRUE(second.change);
  EXPECT_EQ(second.change->settings(), (Settings{{"train.gradient_checkpointing", "full"}}));
  EXPECT_EQ(second.change->plan.peak().bytes, full);

  const Fit rows = fit_update(facts(), 4, full - 1);
  ASSERT_TRUE(rows.change);
  EXPECT_EQ(rows.change->batch_size, 6) << "the next divisor of 12";
  EXPECT_EQ(rows.change->gradient_accumulation_steps, 8) << "the updates stay what they are";
  EXPECT_FALSE(rows.change->sequence_length);
  EXPECT_LE(rows.change->plan.peak().bytes, full - 1);

  const Fit length = fit_update(facts(), 4, peak_with(GradientCheckpointing::full, 1) - 1);
  ASSERT_TRUE(length.change);
  EXPECT_EQ(length.change->sequence_length, 128);
}

TEST(Fit, AModeThatKeepsMoreIsNoWayOut) {
  UpdateFacts full = facts();
  full.checkpointing = GradientCheckpointing::full;
  const Fit fit = fit_update(full, 1, estimate_update(full).peak().bytes - 1);
  ASSERT_TRUE(fit.change);
  EXPECT_FALSE(fit.change->checkpointing);
  EXPECT_EQ(fit.change->batch_size, 6);
}

TEST(Fit, WhatIsTooLargeByItselfIsNamed) {
  UpdateFacts large = facts();
  large.teacher->spec = small_llama(1024, 8);
  const Fit fit = fit_update(large, 1, 1 << 20);
  EXPECT_FALSE(fit.fits);
  EXPECT_FALSE(fit.change);
  EXPECT_EQ(fit.largest.name, "teacher weights");
  EXPECT_EQ(fit.largest.bytes, bytes_of_weights(large.teacher->spec, 4));
}

}  // namespace
}  // namespace distill
