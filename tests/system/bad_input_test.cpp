// What users get wrong: the exit code, a message that names the place, and nothing half-written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "system/tiny.h"

namespace distill::test {
namespace {

using testing::HasSubstr;

class BadInput : public testing::Test {
 protected:
  void SetUp() override {
    prepare_tiny(place);
    place.write("tiny.yaml", tiny_recipe("runs/bad"));
  }
  // Runs the recipe; it must end with `exit_code`, say every one of `words`, and leave no run folder.
  void expect_refused(int exit_code, const std::vector<std::string>& words, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"train", "tiny.yaml", "--progress", "none"});
    const Outcome outcome = place.run(more);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    for (const std::string& word : words) EXPECT_THAT(outcome.err, HasSubstr(word));
    EXPECT_THAT(outcome.err, HasSubstr("expected"));
    EXPECT_THAT(outcome.err, HasSubstr("->"));
    EXPECT_EQ(outcome.out, "");
    EXPECT_FALSE(place.has("runs/bad"));
  }

  Workplace place;
};

TEST_F(BadInput, AMissingRecipe) {
  const Outcome outcome = place.run({"train", "absent.yaml"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("absent.yaml"));
}

TEST_F(BadInput, AFolderWithoutConfig) {
  std::filesystem::remove(place.file("teacher/config.json"));
  expect_refused(65, {"config.json"});
}

TEST_F(BadInput, AnUnknownArchitecture) {
  std::string config = place.read("teacher/config.json");
  for (size_t at; (at = config.find("llama")) != std::string::npos;) config.replace(at, 5, "lhama");
  place.write("teacher/config.json", config);
  expect_refused(65, {"teacher/config.json", "lhama"});
}

TEST_F(BadInput, TruncatedWeights) {
  const std::string weights = place.read("teacher/model.safetensors");
  place.write("teacher/model.safetensors", weights.substr(0, weights.size() - 100));
  expect_refused(65, {"model.safetensors"});
}

TEST_F(BadInput, WeightsWhoseHeaderLiesAboutItsLength) {
  std::string weights = place.read("teacher/model.safetensors");
  const uint64_t length = uint64_t{1} << 60;
  std::memcpy(weights.data(), &length, sizeof length);
  place.write("teacher/model.safetensors", weights);
  expect_refused(65, {"model.safetensors"});
}

TEST_F(BadInput, WeightsThatAreNotNumbers) {
  std::string weights = place.read("teacher/model.safetensors");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(weights.data() + weights.size() - sizeof nan, &nan, sizeof nan);
  place.write("teacher/model.safetensors", weights);
  expect_refused(65, {"teacher"});
}

TEST_F(BadInput, ABrokenLineIsNamedWithItsNumber) {
  place.write("rows.jsonl", token_rows(3, 6, 9, 1) + "{\"input_ids\": [3, 4\n" + token_rows(3, 6, 9, 2));
  expect_refused(65, {"rows.jsonl:4"});
}

TEST_F(BadInput, AnIdOutsideTheVocabularyIsNamedWithItsLine) {
  place.write("rows.jsonl", token_rows(2, 6, 9, 1) + "{\"input_ids\": [3, 48, 5]}\n");
  expect_refused(65, {"rows.jsonl:3", "48"});
}

TEST_F(BadInput, DataWithoutAnyKeptLabel) {
  place.write("rows.jsonl", "{\"input_ids\": [3, 4, 5], \"labels\": [-100, -100, -100]}\n");
  expect_refused(65, {"data.train"});
}

TEST_F(BadInput, TextWithoutATokenizer) {
  place.write("rows.jsonl", "{\"text\": \"hello\"}\n");
  expect_refused(65, {"tokenizer"});
}

TEST_F(BadInput, VocabulariesOfDifferentWidthWithoutTokenizers) {
  place.write("tiny.yaml", tiny_recipe("runs/bad"));
  std::string recipe = place.read("tiny.yaml");
  recipe.replace(recipe.find("vocab_size: 48"), std::strlen("vocab_size: 48"), "vocab_size: 40");
  place.write("tiny.yaml", recipe);
  expect_refused(65, {"vocab"});
}

TEST_F(BadInput, CudaOnAMachineWithoutIt) {
  if (Json::parse(place.run({"version", "--json"}).out)["gpus"].get<int64_t>() > 0) GTEST_SKIP() << "this machine has a GPU";
  expect_refused(69, {"cuda"}, {"--device", "cuda"});
}

TEST_F(BadInput, AnOutputThatIsAFile) {
  place.write("taken", "");
  const Outcome outcome = place.run({"train", "tiny.yaml", "--set", "output=taken/run"});
  EXPECT_EQ(outcome.exit_code, 73) << outcome.err;
}

TEST_F(BadInput, AFullDiskEndsWithItsOwnCodeAndKeepsTheLastCheckpoint) {
  const std::vector<std::string> words = {"train", "tiny.yaml", "--progress", "none", "--set", "train.save_every=2 steps"};
  std::vector<std::string> four = words;
  four.insert(four.end(), {"--max-steps", "4"});
  ASSERT_EQ(place.run(four).exit_code, 0);
  Command command = place.command(words);
  command.max_file_bytes = 12000;  // smaller than the optimizer's state: writing fails half-way, as on a full disk
  const Outcome full = run_process(command);
  EXPECT_EQ(full.exit_code, 74) << full.err;
  EXPECT_TRUE(place.has("runs/bad/checkpoints/step-00000004/manifest.json"));
  for (const auto& entry : std::filesystem::directory_iterator(place.file("runs/bad/checkpoints")))
    EXPECT_TRUE(std::filesystem::exists(entry.path() / "manifest.json")) << entry.path();
  EXPECT_EQ(place.run(words).exit_code, 0);
  EXPECT_EQ(logged_steps(place, "runs/bad").size(), 12u);
}

TEST_F(BadInput, InspectOfNothing) {
  const Outcome outcome = place.run({"inspect", "absent-folder"});
  EXPECT_EQ(outcome.exit_code, 65);
  EXPECT_EQ(outcome.out, "");
}

}  // namespace
}  // namespace distill::test
