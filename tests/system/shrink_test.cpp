// The verbs shrink and export, and students that a recipe cuts from its teacher.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "distill/core/json_reader.h"

#include "paths.h"
#include "system/tiny.h"

namespace distill::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

std::string model(const std::string& name) { return test_data("model/" + name).string(); }

void expect_refused(const Workplace& place, const std::vector<std::string>& words, int exit_code, const std::string& part) {
  const Outcome outcome = place.run(words);
  EXPECT_EQ(outcome.exit_code, exit_code) << part << "\n" << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(part), HasSubstr("expected"), HasSubstr("->")));
  EXPECT_EQ(outcome.out, "");
}

TEST(Shrink, ASmallerModelIsWrittenAndCanBeUsed) {
  const Workplace place;
  const Outcome outcome = place.run({"shrink", "--model", model("llama_grouped"), "--out", "small", "--layers", "0,2", "--heads",
                                     "2", "--hidden-size", "16", "--intermediate-size", "20", "--dtype", "bfloat16", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json said = Json::parse(outcome.out);
  EXPECT_EQ(said["layers"], Json::array({0, 2}));
  EXPECT_EQ(said["dtype"], "bfloat16");
  const Json seen = Json::parse(place.run({"inspect", "small", "--json"}).out);
  EXPECT_EQ(seen["config"]["hidden_size"], 16);
  EXPECT_EQ(seen["config"]["head_size"], 6);
  EXPECT_EQ(seen["config"]["num_heads"], 2);
  EXPECT_EQ(seen["config"]["missing"], Json::array());
  EXPECT_EQ(seen["tensors"][0]["dtype"], "BF16");
  EXPECT_EQ(seen["parameters"], said["parameters"]);
  place.write("rows.jsonl", token_rows(2, 5, 9, 1, 43));
  const Outcome forward = place.run({"forward", "--model", "small", "--input", "rows.jsonl", "--output", "a.safetensors"});
  EXPECT_EQ(forward.exit_code, 0) << forward.err;
}

TEST(Shrink, SizesThatCannotBeHadAreAUsageErrorThatNamesThemAll) {
  const Workplace place;
  const std::vector<std::string> verb = {"shrink", "--model", model("gpt2_plain"), "--out", "small"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), verb.begin(), verb.end());
    return more;
  };
  expect_refused(place, verb, 2, "--layers, --hidden-size");
  expect_refused(place, with({"--layers", "0,7"}), 2, "--layers: expected numbers of the teacher's blocks, 0 to 1");
  expect_refused(place, with({"--layers", "0,9", "--intermediate-size", "1000"}), 2, "--intermediate-size");
  expect_refused(place, with({"--hidden-size", "18"}), 2, "3 heads fit a hidden size of 18");
  expect_refused(place, {"shrink", "--model", model("nowhere"), "--out", "small", "--layers", "0"}, 65, "nowhere");
  EXPECT_EQ(place.run(with({"--layers", "a"})).exit_code, 2);
  EXPECT_FALSE(place.has("small"));
}

TEST(Export, AModelIsWrittenInAnotherTypeAndInShards) {
  const Workplace place;
  const Outcome outcome =
      place.run({"export", model("llama_plain"), "--out", "half", "--dtype", "float16", "--shard-size", "8kB", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(place.has("half/model.safetensors.index.json"));
  const Json seen = Json::parse(place.run({"inspect", "half", "--json"}).out);
  EXPECT_EQ(seen["config"]["dtype"], "float16");
  EXPECT_EQ(seen["tensors"][0]["dtype"], "F16");
  EXPECT_EQ(seen["bytes"], Json::parse(outcome.out)["bytes"]);
}

TEST(Export, ARunsStudentAndAPickledModelAreSources) {
  const Workplace place;
  ASSERT_NO_FATAL_FAILURE(prepare_tiny(place));
  const Outcome outcome = place.run({"export", "runs/teacher", "--out", "out"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(place.read("out/model.safetensors"), place.read("runs/teacher/student/model.safetensors"));
  const Outcome pickled = place.run({"export", test_data("checkpoint/torch/llama_bin").string(), "--out", "safe"});
  ASSERT_EQ(pickled.exit_code, 0) << pickled.err;
  EXPECT_TRUE(place.has("safe/model.safetensors"));
}

TEST(Export, AMergedAdapterComputesAnotherModel) {
  const Workplace place;
  const std::string adapter = test_data("adapter/llama").string();
  const Outcome outcome = place.run({"export", model("llama_grouped"), "--out", "merged", "--adapter", adapter});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  ASSERT_EQ(place.run({"export", model("llama_grouped"), "--out", "plain"}).exit_code, 0);
  EXPECT_NE(place.read("merged/model.safetensors"), place.read("plain/model.safetensors"));
  const Outcome seen = place.run({"inspect", "merged"});
  EXPECT_EQ(seen.exit_code, 0) << seen.err;
  expect_refused(place, {"export", model("gpt2_plain"), "--out", "other", "--adapter", adapter}, 65, "adapters of linear layers");
  expect_refused(place, {"export", model("llama_grouped"), "--out", "other", "--adapter", "."}, 65, "adapter_config.json");
}

TEST(Export, WhatCannotBeExportedIsNamed) {
  const Workplace place;
  fs::copy(model("llama_tied"), place.file("own"));
  expect_refused(place, {"export", "own", "--out", "./own/"}, 73, "another folder than the model's own");
  expect_refused(place, {"export", "own", "--out", "new", "--shard-size", "big"}, 2, "--shard-size");
  fs::create_directories(place.file("run/student"));
  place.write("run/recipe.resolved.yaml", "output: run\n");
  place.write("run/student/model.pt", "a script");
  expect_refused(place, {"export", "run", "--out", "new"}, 65, "TorchScript");
  fs::remove_all(place.file("run/student"));
  expect_refused(place, {"export", "run", "--out", "new"}, 65, "a run that has left a student");
  EXPECT_FALSE(place.has("new"));
}

std::string cutting_recipe(const std::string& shrink) {
  std::string recipe = tiny_recipe("runs/cut");
  const size_t from = recipe.find("student:"), to = recipe.find("data:");
  return recipe.replace(from, to - from, "student:\n  shrink: " + shrink + "\n");
}

TEST(ShrinkRecipe, AStudentCutFromItsTeacherTrainsAndGoesOn) {
  const Workplace place;
  ASSERT_NO_FATAL_FAILURE(prepare_tiny(place));
  place.write("r.yaml", cutting_recipe("{layers: [0, 2], num_heads: 2, intermediate_size: 40}"));
  ASSERT_EQ(place.run({"train", "r.yaml", "--progress", "none", "--max-steps", "5"}).exit_code, 0);
  const Outcome rest = place.run({"train", "r.yaml", "--progress", "none"});
  ASSERT_EQ(rest.exit_code, 0) << rest.err;
  const auto stopped = logged_steps(place, "runs/cut");
  const std::string weights = place.read("runs/cut/student/model.safetensors");
  EXPECT_EQ(Json::parse(place.read("runs/cut/student/config.json"))["num_attention_heads"], 2);
  const Outcome again = place.run({"train", "r.yaml", "--progress", "none"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(place.run({"eval", "r.yaml"}).exit_code, 0);
  ASSERT_EQ(place.run({"train", "r.yaml", "--progress", "none", "--fresh"}).exit_code, 0);
  EXPECT_EQ(logged_steps(place, "runs/cut").at(12)["loss"], stopped.at(12)["loss"]);
  EXPECT_EQ(place.read("runs/cut/student/model.safetensors"), weights);
}

TEST(ShrinkRecipe, WhatItsVerbWritesIsWhereTheRecipesStudentBegins) {
  const Workplace place;
  ASSERT_NO_FATAL_FAILURE(prepare_tiny(place));
  ASSERT_EQ(place.run({"shrink", "--model", "teacher", "--out", "cut", "--layers", "0,2"}).exit_code, 0);
  place.write("r.yaml", cutting_recipe("{layers: [0, 2]}"));
  ASSERT_EQ(place.run({"train", "r.yaml", "--progress", "none", "--max-steps", "2"}).exit_code, 0);
  std::string other = tiny_recipe("runs/path");
  const size_t from = other.find("student:"), to = other.find("data:");
  place.write("p.yaml", other.replace(from, to - from, "student: {path: cut}\n"));
  ASSERT_EQ(place.run({"train", "p.yaml", "--progress", "none", "--max-steps", "2"}).exit_code, 0);
  EXPECT_EQ(logged_steps(place, "runs/cut").at(2)["loss"], logged_steps(place, "runs/path").at(2)["loss"]);
}

TEST(ShrinkRecipe, SizesThatTheTeacherDoesNotHaveComeWithTheirPlace) {
  const Workplace place;
  ASSERT_NO_FATAL_FAILURE(prepare_tiny(place));
  place.write("r.yaml", cutting_recipe("{layers: [0, 3], hidden_size: 64}"));
  const Outcome outcome = place.run({"train", "r.yaml", "--progress", "none"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("r.yaml:3:"), HasSubstr("student.shrink.layers"), HasSubstr("student.shrink.hidden_size")));
  EXPECT_FALSE(place.has("runs/cut"));
}

}  // namespace
}  // namespace distill::test
