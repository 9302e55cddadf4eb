// Whole runs: normalisation over any split, exact resume, and that training learns.
#include <gtest/gtest.h>

#include <ATen/Context.h>
#include <ATen/ops/randn.h>

#include <cmath>

#include "distill/cli/run_parts.h"

#include "train/run_fixture.h"

namespace distill {
namespace {

std::string data_section(const fs::path& root, const std::string& more = "") {
  return "data: {train: [{path: " + (root / "train.jsonl").string() + "}], sequence_length: 64" + more + "}\n";
}

const char* kAllTerms =
    "objective:\n"
    "  - {function: jsd, weight: 0.7, temperature: 2.0, beta: 0.3}\n"
    "  - {function: cross_entropy, weight: 0.5}\n"
    "  - {function: hidden_mse, weight: 0.3, layer_mapping: uniform}\n"
    "  - {function: attention_mse, weight: 0.2, layer_mapping: [[1, 2]]}\n";

TEST_F(Runs, AnySplitOfTheSameBatchGivesTheSameLossAndGradient) {
  // Ragged rows; some micro-batches of the finer splits hold a single kept token.
  write_rows("train.jsonl", {2, 17, 5, 2, 31, 9, 2, 23, 40, 2, 3, 8, 12, 2, 19, 6});
  std::vector<std::vector<Json>> runs;
  for (const auto& [batch, accumulation] : std::vector<std::pair<int, int>>{{8, 1}, {4, 2}, {2, 4}, {1, 8}}) {
    const std::string name = "split" + std::to_string(batch);
    train(recipe(data_section(root_, ", packing: false") + kAllTerms +
                 "train: {length: 3 steps, precision: float64, batch_size: " + std::to_string(batch) +
                 ", gradient_accumulation_steps: " + std::to_string(accumulation) + "}\noutput: " + (root_ / name).string()));
    runs.push_back(steps_of(root_ / name));
  }
  ASSERT_EQ(runs[0].size(), 3u);
  for (const std::vector<Json>& other : runs) {
    for (size_t i = 0; i < 3; ++i) {
      for (const char* key : {"loss", "grad_norm"}) {
        const double wanted = runs[0][i][key], found = other[i][key];
        EXPECT_NEAR(found / wanted, 1, 1e-12) << key << " of step " << i + 1;
      }
      EXPECT_EQ(other[i]["tokens"], runs[0][i]["tokens"]);
    }
  }
}

TEST_F(Runs, TwentyStepsEqualTenAndResumeAndTenBitForBit) {
  write_rows("train.jsonl", {9, 17, 5, 2, 31, 9, 2, 23, 40, 2, 3, 8, 12, 2, 19, 6, 44, 13, 28});
  write_rows("other.jsonl", {30, 7, 21, 14, 5, 11, 50, 3}, 99);
  const auto make = [&](const std::string& name) {
    return recipe("data: {train: [{path: " + (root_ / "train.jsonl").string() + "}, {path: " + (root_ / "other.jsonl").string() +
                      ", weight: 0.5}], sequence_length: 64}\n" +
                      "objective: [{function: kl, weight: 300}, {function: hidden_cosine, weight: 1}]\n"
                      "optimizer: {learning_rate: 1e-3}\n"
                      "train: {length: 20 steps, precision: float16, batch_size: 1, gradient_accumulation_steps: 2}\noutput: " +
                      (root_ / name).string(),
                  {"student.dropout=0.1"});
  };
  train(make("straight"));
  TrainOptions ten;
  ten.max_steps = 10;
  EXPECT_FALSE(train(make("broken"), ten).finished);
  EXPECT_TRUE(train(make("broken")).finished);

  const std::vector<Json> straight = steps_of(root_ / "straight"), broken = steps_of(root_ / "broken");
  ASSERT_EQ(straight.size(), 20u);
  ASSERT_EQ(broken.size(), 20u);
  int skipped = 0;
  for (size_t i = 0; i < 20; ++i) {
    for (const char* key : {"loss", "grad_norm", "loss_scale", "learning_rate", "tokens", "skipped"})
      EXPECT_EQ(straight[i][key], broken[i][key]) << key << " of step " << i + 1;
    skipped += straight[i]["skipped"].get<bool>();
  }
  EXPECT_GE(skipped, 1) << "the weight of 300 is meant to overflow float16 at the first loss scale";
  EXPECT_LT(skipped, 15);
  for (const char* file : {"model.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(bytes_of_checkpoint(root_ / "straight", "00000020", file), bytes_of_checkpoint(root_ / "broken", "00000020", file));
}

TEST_F(Runs, EveryLogitsTermTeaches) {
  write_rows("train.jsonl", {40, 37, 25, 42, 31, 29, 52, 23});
  for (const char* term : {"kl", "reverse_kl", "symmetric_kl", "jsd", "skew_kl", "skew_reverse_kl", "adaptive_kl", "tvd",
                           "logit_mse", "{function: top_k_kl, top_k: 5}", "{function: top_k_reverse_kl, top_k: 5}", "uld",
                           "{function: cross_entropy, label_smoothing: 0.1, z_loss: 1e-4}"}) {
    train(recipe(data_section(root_) + "objective: [" + term +
                 "]\noptimizer: {learning_rate: 1e-2}\ntrain: {length: 30 steps, batch_size: 8}\noutput: " +
                 (root_ / "teach").string()),
          {.fresh = true});
    const std::vector<Json> steps = steps_of(root_ / "teach");
    ASSERT_EQ(steps.size(), 30u);
    EXPECT_LT(steps.back()["loss"].get<double>(), 0.9 * steps.front()["loss"].get<double>()) << term;
  }
}

TEST_F(Runs, SharesOfTheGradientAddUpAndChangeNoBit) {
  write_rows("train.jsonl", {9, 17, 5, 2, 31, 9, 2, 23, 40, 2, 3, 8, 12, 2, 19, 6});
  const auto make = [&](const std::string& name, const std::string& shares) {
    return recipe(data_section(root_) + kAllTerms + "train: {length: 6 steps, batch_size: 1, gradient_accumulation_steps: 2" +
                      ", log_every: 2 steps, log_gradient_share: " + shares + "}\noutput: " + (root_ / name).string(),
                  {"student.dropout=0.1"});
  };
  train(make("with", "true"));
  train(make("without", "false"));
  EXPECT_EQ(bytes_of_checkpoint(root_ / "with", "00000006", "model.safetensors"),
            bytes_of_checkpoint(root_ / "without", "00000006", "model.safetensors"));
  const std::vector<Json> steps = steps_of(root_ / "with");
  for (const Json& step : steps) {
    EXPECT_EQ(step.contains("gradient_share"), step["step"] == 1 || step["step"].get<int>() % 2 == 0);
    double loss = 0;
    for (const auto& [name, value] : step["weighted"].items()) loss += value.get<double>();
    EXPECT_NEAR(loss, step["loss"].get<double>(), 1e-12);
    if (!step.contains("gradient_share")) continue;
    double sum = 0;
    for (const auto& [name, value] : step["gradient_share"].items()) sum += value.get<double>();
    EXPECT_EQ(step["gradient_share"].size(), 4u);
    EXPECT_NEAR(sum, 1, 1e-4);
  }
}

TEST_F(Runs, WeightsThatMoveSurviveAResume) {
  write_rows("train.jsonl", {9, 17, 5, 2, 31, 9, 2, 23, 40, 2, 3, 8, 12, 2, 19, 6});
  const auto make = [&](const std::string& name) {
    return recipe(
        data_section(root_) +
        "objective:\n  - {function: kl, weight: {from: 1, to: 0, over: 6 steps}, temperature: {from: 4, to: 1, over: 100%}}\n"
        "  - {function: cross_entropy, weight: {from: 0, to: 1, over: 50%}}\n"
        "train: {length: 12 steps, batch_size: 2}\noutput: " +
        (root_ / name).string());
  };
  train(make("straight"));
  TrainOptions five;
  five.max_steps = 5;
  train(make("broken"), five);
  train(make("broken"));
  EXPECT_EQ(bytes_of_checkpoint(root_ / "straight", "00000012", "model.safetensors"),
            bytes_of_checkpoint(root_ / "broken", "00000012", "model.safetensors"));
  const std::vector<Json> steps = steps_of(root_ / "straight");
  EXPECT_FALSE(steps[0]["terms"].contains("cross_entropy")) << "its weight is 0";
  EXPECT_NEAR(steps[3]["weighted"]["kl"].get<double>() / steps[3]["terms"]["kl"].get<double>(), 0.5, 1e-12);
  EXPECT_FALSE(steps[7]["terms"].contains("kl"));
}

TEST_F(Runs, RecomputationChangesNoBit) {
  write_rows("train.jsonl", {20, 17, 35, 22, 31, 9});
  std::vector<std::string> models;
  for (const char* mode : {"none", "selective", "full"}) {
    train(
        recipe(data_section(root_) +
                   "objective: [{function: kl}, {function: hidden_mse, weight: 0.1}, {function: attention_kl, layer_mapping: "
                   "[[1, 2], [2, 3]]}, {function: minilm_value, relations: [q, k, v]}]\ntrain: {length: 4 steps, batch_size: 2, "
                   "gradient_checkpointing: " +
                   mode + "}\noutput: " + (root_ / mode).string(),
               {"student.dropout=0.2"}));
    models.push_back(bytes_of_checkpoint(root_ / mode, "00000004", "model.safetensors"));
  }
  EXPECT_EQ(models[0], models[1]);
  EXPECT_EQ(models[0], models[2]);
}

TEST_F(Runs, PackedRowsGiveTheLossOfPaddedRows) {
  write_rows("train.jsonl", {20, 17, 25});
  std::vector<double> losses;
  for (const char* packing : {"true", "false"}) {
    const std::string name = std::string("packing_") + packing;
    train(recipe(data_section(root_, std::string(", packing: ") + packing) + kAllTerms +
                 "train: {length: 1 steps, precision: float64, batch_size: 3}\noutput: " + (root_ / name).string()));
    losses.push_back(steps_of(root_ / name)[0]["loss"]);
  }
  EXPECT_NEAR(losses[0] / losses[1], 1, 1e-12);
}

// A sparse autoencoder over the teacher's 24 features, as SAELens writes it.
void write_autoencoder(const fs::path& file) {
  at::manual_seed(9);
  write_safetensors(
      file,
      {{"W_enc", at::randn({24, 40})}, {"b_enc", at::randn({40})}, {"W_dec", at::randn({40, 24})}, {"b_dec", at::randn({24})}});
}

// Student 16 wide with 2 blocks, teacher 24 wide with 3.
struct FeatureRun {
  const char* name;
  std::string term;
};
std::vector<FeatureRun> feature_runs(const fs::path& root) {
  return {{"l1", "{function: hidden_l1, layer_mapping: learned, projector_learning_rate: 2e-2}"},
          {"pkd", "{function: pkd, layer_mapping: learned}"},
          {"gram", "{function: gram, layer_mapping: last}"},
          {"maps", "{function: attention_mse, layer_mapping: [[1, 2]]}"},
          {"attention", "{function: attention_kl, layer_mapping: [[1, 2]]}"},
          {"minilm", "minilm_attention"},
          {"relations", "{function: minilm_value, relations: [q, k, v], relation_heads: 4}"},
          {"sae", "{function: sae_features, sae: {path: " + (root / "sae.safetensors").string() + ", layer: 2}}"}};
}

TEST_F(Runs, EveryFeatureTermIsLearnedAloneAndContinuesBitForBit) {
  write_rows("train.jsonl", std::vector<int64_t>(16, 30));
  write_autoencoder(root_ / "sae.safetensors");
  for (const FeatureRun& one : feature_runs(root_)) {
    const auto make = [&](const std::string& output) {
      return recipe(data_section(root_) + "objective: [" + one.term +
                    "]\noptimizer: {learning_rate: 1e-2}\ntrain: {length: 24 steps, batch_size: 4}\noutput: " +
                    (root_ / (one.name + output)).string());
    };
    train(make("-whole"));
    const std::vector<Json> whole = steps_of(root_ / (one.name + std::string("-whole")));
    EXPECT_LT(whole.back()["loss"].get<double>(), 0.9 * whole.front()["loss"].get<double>()) << one.name;
    TrainOptions half;
    half.max_steps = 11;
    train(make("-parts"), half);
    train(make("-parts"));
    const std::vector<Json> parts = steps_of(root_ / (one.name + std::string("-parts")));
    ASSERT_EQ(parts.size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(parts[i]["loss"], whole[i]["loss"]) << one.name << " step " << i + 1;
    for (const char* file : {"model.safetensors", "optimizer.safetensors"})
      EXPECT_EQ(bytes_of_checkpoint(root_ / (one.name + std::string("-whole")), "00000024", file),
                bytes_of_checkpoint(root_ / (one.name + std::string("-parts")), "00000024", file))
          << one.name;
  }
  const std::vector<Json> sae = steps_of(root_ / "sae-whole");
  EXPECT_GT(sae.back()["figures"]["sae_features.overlap"].get<double>(),
            sae.front()["figures"]["sae_features.overlap"].get<double>());
}

TEST_F(Runs, AnAutoencoderOfTheWrongWidthLeavesNoRun) {
  write_rows("train.jsonl", {20, 17, 25});
  write_safetensors(root_ / "sae.safetensors", {{"W_enc", at::randn({25, 40})}});
  try {
    train(recipe(data_section(root_) +
                 "objective: [{function: sae_features, sae: {path: " + (root_ / "sae.safetensors").string() +
                 ", layer: 2}}]\ntrain: {length: 4 steps}\noutput: " + (root_ / "run").string()));
    FAIL() << "an autoencoder of another width was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::bad_input);
  }
  EXPECT_FALSE(fs::exists(root_ / "run"));
}

TEST_F(Runs, AStudentLearnsItsTeacher) {
  write_rows("train.jsonl", std::vector<int64_t>(24, 30));
  write_rows("eval.jsonl", std::vector<int64_t>(6, 30), 77);
  const TrainResult result = train(recipe("data: {train: [{path: " + (root_ / "train.jsonl").string() +
                                          "}], eval: [{path: " + (root_ / "eval.jsonl").string() +
                                          "}], sequence_length: 64}\n"
                                          "optimizer: {learning_rate: 1e-2}\ntrain: {length: 60 steps, batch_size: 4}\noutput: " +
                                          (root_ / "learn").string()));
  EXPECT_LT(*result.student_after->kl, 0.7 * *result.student_before->kl);
  EXPECT_TRUE(fs::exists(root_ / "learn/student/config.json"));
}

TEST_F(Runs, AFinishedRunIsNotTrainedAgainAndAChangedRecipeIsRefused) {
  write_rows("train.jsonl", {20, 17, 25});
  const auto make = [&](const char* rate, const char* length) {
    return recipe(data_section(root_) + "optimizer: {learning_rate: " + rate + "}\ntrain: {length: " + length +
                  "}\noutput: " + (root_ / "run").string());
  };
  EXPECT_TRUE(train(make("1e-3", "3 steps")).finished);
  const auto written = fs::last_write_time(root_ / "run/summary.json");
  EXPECT_TRUE(train(make("1e-3", "3 steps")).finished);
  EXPECT_EQ(fs::last_write_time(root_ / "run/summary.json"), written);
  EXPECT_THROW(train(make("1e-2", "3 steps")), RecipeError);
  EXPECT_EQ(train(make("1e-3", "5 steps")).step, 5) << "a longer run goes on";
  TrainOptions allow;
  allow.allow_recipe_change = true;
  EXPECT_EQ(train(make("1e-2", "6 steps"), allow).step, 6);
}

TEST_F(Runs, ChangedDataIsRefusedOnResume) {
  write_rows("train.jsonl", {20, 17, 25});
  const LoadedRecipe loaded = recipe(data_section(root_) + "train: {length: 4 steps}\noutput: " + (root_ / "run").string());
  TrainOptions two;
  two.max_steps = 2;
  train(loaded, two);
  write_rows("train.jsonl", {20, 17, 25, 60, 60});
  EXPECT_THROW(train(loaded), InputError);
}

TEST_F(Runs, AnExtendedRunIsNotFinishedUntilItsNewEnd) {
  write_rows("train.jsonl", {20, 17, 25});
  const auto make = [&](const char* length) {
    return recipe(data_section(root_) + "train: {length: " + length + "}\noutput: " + (root_ / "run").string());
  };
  EXPECT_TRUE(train(make("2 steps")).finished);
  {
    // A process that dies right after it took the longer run up leaves this behind.
    const RunFolder run = RunFolder::open(root_ / "run", false);
    begin_run(run, make("6 steps"));
  }
  const TrainResult result = train(make("6 steps"));
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.step, 6);
}

TEST_F(Runs, OtherDataIsTakenWhenTheRecipeMayChangeAndARefusalLeavesTheRunAsItWas) {
  write_rows("train.jsonl", {20, 17, 25});
  write_rows("more.jsonl", {9, 9, 9, 30});
  const auto make = [&](const char* file) {
    return recipe("data: {train: [{path: " + (root_ / file).string() +
                  "}], sequence_length: 64}\ntrain: {length: 4 steps}\noutput: " + (root_ / "run").string());
  };
  TrainOptions two;
  two.max_steps = 2;
  train(make("train.jsonl"), two);
  const std::string before = read_file(root_ / "run/recipe.resolved.yaml");
  EXPECT_THROW(train(make("more.jsonl")), RecipeError);
  EXPECT_EQ(read_file(root_ / "run/recipe.resolved.yaml"), before);
  TrainOptions allow;
  allow.allow_recipe_change = true;
  EXPECT_EQ(train(make("more.jsonl"), allow).step, 4);
}

TEST_F(Runs, ATeacherThatOverflowsIsNamedWithItsLayer) {
  write_rows("train.jsonl", {20, 17, 25});
  Json config = tiny_config(24, 3);
  const Transformer model = Transformer::initialise(read_spec(config, "teacher"), 1, {});
  std::vector<NamedTensor> weights = model.parameters();
  for (NamedTensor& weight : weights)
    if (weight.name.starts_with("model.layers.1.mlp.")) weight.tensor.mul_(1e25f);
  save_hf_folder(root_ / "teacher", config, weights, {});
  try {
    train(recipe(data_section(root_) + "train: {length: 4 steps}\noutput: " + (root_ / "run").string()));
    FAIL();
  } catch (const DivergedError& error) {
    EXPECT_NE(std::string(error.what()).find("block 2"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace distill
