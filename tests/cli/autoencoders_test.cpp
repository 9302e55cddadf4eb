// Autoencoders in a recipe: what `check` says of their files, and a run from a SAELens folder.
#include "distill/cli/autoencoders.h"

#include <gmock/gmock.h>

#include "paths.h"
#include "train/run_fixture.h"

namespace distill {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AutoencodersOfARecipe : public Runs {
 protected:
  void SetUp() override {
    Runs::SetUp();
    Json config = tiny_config(7, 3);  // as wide as the golden autoencoders
    config["num_attention_heads"] = config["num_key_value_heads"] = 1;
    config["head_dim"] = 8;
    fs::remove_all(root_ / "teacher");
    save_model("teacher", config, 1);
  }
  static std::string folder(const std::string& name) { return (test::test_data("objective") / "sae" / name).string(); }
  LoadedRecipe with_sae(const std::string& sae) const {
    return recipe("data: {train: [{path: " + (root_ / "train.jsonl").string() +
                  "}], sequence_length: 64}\nobjective:\n  - {function: kl}\n" + "  - function: sae_features\n    sae: {" + sae +
                  "}\ntrain: {length: 3 steps, batch_size: 2}\noutput: " + (root_ / "run").string());
  }
  // What is said of it, one complaint a line.
  std::string said_of(const std::string& sae) const {
    std::string text;
    for (const Complaint& problem : autoencoder_problems(with_sae(sae))) text += problem.text() + "\n";
    return text;
  }
};

TEST_F(AutoencodersOfARecipe, ThatFitHaveNoProblem) {
  for (const char* name : {"standard", "topk", "jumprelu", "gated", "layer_norm"})
    EXPECT_EQ(said_of("path: " + folder(name)), "") << name;
  EXPECT_EQ(said_of("path: " + folder("topk") + "/sae_weights.safetensors, layer: 2"), "");
}

TEST_F(AutoencodersOfARecipe, ThatAreNotHereAreNoMistakeOfTheRecipe) {
  write_rows("train.jsonl", {20});
  EXPECT_EQ(said_of("path: nowhere"), "");
  EXPECT_EQ(said_of("path: nowhere.pt, layer: 1"), "");
  EXPECT_THAT(missing_files(with_sae("path: nowhere")).front().text(), HasSubstr("a SAELens folder"));
  EXPECT_THAT(missing_files(with_sae("path: " + root_.string())).front().text(), HasSubstr("without cfg.json"));
}

TEST_F(AutoencodersOfARecipe, EveryMistakeHasItsLine) {
  const std::string text = said_of("path: " + folder("topk") + ", layer: 1, k: 9, encoder: nowhere");
  EXPECT_THAT(text, AllOf(HasSubstr("test.yaml:7:"), HasSubstr("objective.1.sae.layer"), HasSubstr("blocks.1.hook_resid_post")));
  EXPECT_THAT(text, AllOf(HasSubstr("objective.1.sae.k"), HasSubstr("k: 3")));
  EXPECT_THAT(text, AllOf(HasSubstr("objective.1.sae.encoder"), HasSubstr("`nowhere`"), HasSubstr("W_enc")));
}

TEST_F(AutoencodersOfARecipe, OfAnotherWidthAreFoundWithoutLoadingAModel) {
  fs::remove_all(root_ / "teacher");
  save_model("teacher", tiny_config(24, 3), 1);
  fs::remove(root_ / "teacher" / "model.safetensors");
  EXPECT_THAT(said_of("path: " + folder("standard")),
              AllOf(HasSubstr("objective.1.sae.path"), HasSubstr("width 24"), HasSubstr("[7, 13]")));
}

TEST_F(AutoencodersOfARecipe, ThatAreNoFilesOfWeightsAreSaidSo) {
  write_file_atomically(root_ / "noise.safetensors", "this is no such file");
  EXPECT_THAT(said_of("path: " + (root_ / "noise.safetensors").string() + ", layer: 1"), HasSubstr("objective.1.sae.path"));
  write_file_atomically(root_ / "cfg.json", "{");
  write_file_atomically(root_ / "sae_weights.safetensors", "x");
  EXPECT_THAT(said_of("path: " + root_.string()), HasSubstr("objective.1.sae.path"));
}

TEST_F(AutoencodersOfARecipe, ASaeLensFolderTrainsWithoutALayerInTheRecipe) {
  write_rows("train.jsonl", {20, 17, 25, 9, 31, 12});
  EXPECT_TRUE(train(with_sae("path: " + folder("gated"))).finished);
  const std::vector<Json> steps = steps_of(root_ / "run");
  ASSERT_EQ(steps.size(), 3u);
  for (const Json& step : steps) {
    EXPECT_GT(step["terms"]["sae_features"].get<double>(), 0) << step;
    EXPECT_TRUE(step["figures"]["sae_features.overlap"].is_number()) << step;
  }
}

// Where the recipe is wrong the run ends with its code, where the file is with that of a bad file.
TEST_F(AutoencodersOfARecipe, ThatDoNotFitEndTheRunWithTheCodeOfWhoIsWrong) {
  write_rows("train.jsonl", {20, 17, 25, 9, 31, 12});
  const auto code_of = [&](const std::string& sae) {
    try {
      train(with_sae(sae));
    } catch (const Error& error) {
      return error.exit_code();
    }
    return ExitCode::done;
  };
  EXPECT_EQ(code_of("path: " + folder("topk") + ", layer: 1"), ExitCode::usage);
  write_file_atomically(root_ / "cfg.json", "{\"architecture\": \"temporal\", \"hook_name\": \"blocks.1.hook_resid_post\"}");
  fs::copy_file(folder("topk") + "/sae_weights.safetensors", root_ / "sae_weights.safetensors");
  EXPECT_EQ(code_of("path: " + root_.string()), ExitCode::bad_input);
}

}  // namespace
}  // namespace distill
