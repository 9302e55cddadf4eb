// What `distill plan` counts: every term, weights that rise, what lies on the disk already, logs in any state.
#include "distill/cli/run_plan.h"

#include <gtest/gtest.h>

#include "paths.h"
#include "train/run_fixture.h"

namespace distill {
namespace {

class PlanOfARecipe : public Runs {
 protected:
  // `more`: inside of the term, `{function: kl}` without.
  RunPlan plan(const std::string& terms) const {
    return make_run_plan(
        recipe("data: {train: [{path: " + (root_ / "train.jsonl").string() + "}], sequence_length: 64}\nobjective: [" + terms +
               "]\ntrain: {length: 3 steps, batch_size: 2}\noutput: " + (root_ / "run").string()),
        {int64_t{1} << 30});
  }
  int64_t peak(const std::string& terms) const { return plan(terms).memory->plan.peak().bytes; }
  void write_log(const std::string& text) const {
    fs::create_directories(root_ / "run");
    write_file_atomically(root_ / "run" / "log.jsonl", text);
  }
};

TEST_F(PlanOfARecipe, CountsEveryTerm) {
  for (const std::string& word : enum_words<TermFunction>()) {
    if (word == "embedding_mse" || word == "embedding_cosine" || word == "sae_features") continue;  // other models
    EXPECT_GT(peak("{function: " + word + (word.rfind("top_k", 0) == 0 ? ", top_k: 3" : "") + "}"), 0) << word;
  }
}

TEST_F(PlanOfARecipe, ReadsOfAnAutoencoderNoMoreThanItsSizes) {
  Json config = tiny_config(7, 3);  // as wide as the golden autoencoders
  config["num_attention_heads"] = config["num_key_value_heads"] = 1;
  config["head_dim"] = 8;
  fs::remove_all(root_ / "teacher");
  save_model("teacher", config, 1);
  const RunPlan found =
      plan("{function: sae_features, sae: {path: " + (test::test_data("objective") / "sae" / "gated").string() + "}}");
  EXPECT_TRUE(found.fits());
  EXPECT_NE(found.not_counted.back().find("sae_features"), std::string::npos);
}

TEST_F(PlanOfARecipe, AWeightThatRisesFromZeroCountsFromTheStart) {
  EXPECT_EQ(peak("{function: kl}, {function: attention_mse, weight: {from: 0, to: 1, over: 2 steps}}"),
            peak("{function: kl}, {function: attention_mse}"));
  EXPECT_EQ(peak("{function: hidden_mse}, {function: kl, weight: {from: 0, to: 1, over: 2 steps}}"),
            peak("{function: hidden_mse}, {function: kl}"));
  EXPECT_GT(peak("{function: kl}, {function: attention_mse}"), peak("{function: kl}, {function: attention_mse, weight: 0}"));
}

TEST_F(PlanOfARecipe, WhatThisRunHoldsOnTheDiskIsItsOwn) {
  const DiskPlan before = *plan("{function: kl}").disk;
  EXPECT_EQ(before.held_bytes, 0);
  fs::create_directories(root_ / "run" / "checkpoints" / "step-00000001");
  write_file_atomically(root_ / "run" / "checkpoints" / "step-00000001" / "model.safetensors", std::string(1000, 'x'));
  const DiskPlan after = *plan("{function: kl}").disk;
  EXPECT_EQ(after.held_bytes, 1000);
  EXPECT_EQ(after.needed_bytes(), before.needed_bytes());
}

TEST_F(PlanOfARecipe, LinesOfTheLogThatAreNoUpdatesArePassedOver) {
  write_log(
      "{\"event\":\"step\",\"step\":1,\"seconds\":2.5}\nnoise\n{\"event\":3}\n[1]\n{\"event\":\"step\",\"step\":2}\n"
      "{\"event\":\"step\",\"step\":null,\"seconds\":1}\n{\"event\":\"step\",\"st");
  const RunPlan found = plan("{function: kl}");
  ASSERT_TRUE(found.time);
  EXPECT_EQ(found.time->seconds_per_update, 2.5);
  EXPECT_EQ(found.time->newest_step, 1);
}

}  // namespace
}  // namespace distill
