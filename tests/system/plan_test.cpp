// `distill plan`: what fits, what does not, and what it cannot read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "distill/core/json_reader.h"

#include "paths.h"
#include "system/tiny.h"

namespace distill::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class Plan : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(prepare_tiny(place_));
    place_.write("tiny.yaml", tiny_recipe("runs/x"));
  }
  Outcome plan(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"plan", "tiny.yaml"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return place_.run(arguments);
  }
  Json json(std::vector<std::string> more, int exit_code) const {
    more.emplace_back("--json");
    const Outcome outcome = plan(more);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    return Json::parse(outcome.out);
  }
  Workplace place_;
};

TEST_F(Plan, SaysWhatARunTakesAndWritesNothing) {
  const Outcome outcome = plan({});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* part : {"student weights", "optimizer moments", "teacher weights", "student activations", "peak of an update",
                           "free memory", "checkpoints", "updates", "time         not known before the first updates have run"})
    EXPECT_THAT(outcome.out, HasSubstr(part));
  EXPECT_THAT(outcome.out, Not(HasSubstr("DOES NOT FIT")));
  EXPECT_FALSE(place_.has("runs/x"));
}

TEST_F(Plan, AStatedMemoryThatIsTooLittleEndsWithTheSmallestChange) {
  const auto with = [](const std::string& checkpointing, int64_t memory) -> std::vector<std::string> {
    return {"--device", "cuda",
            "--set",    "train.batch_size=64",
            "--set",    "train.gradient_checkpointing=" + checkpointing,
            "--memory", std::to_string(memory)};
  };
  const int64_t peak = json(with("none", int64_t{64} << 30), 0)["memory"]["peak_bytes"].get<int64_t>();
  const Json found = json(with("none", peak - 1), 1);
  EXPECT_FALSE(found["fits"]);
  EXPECT_EQ(found["memory"]["free_bytes"], peak - 1);
  EXPECT_EQ(found["memory"]["change"]["set"]["train.gradient_checkpointing"], "selective");
  EXPECT_LT(found["memory"]["change"]["peak_bytes"], peak);
  const Outcome text = plan(with("none", peak - 1));
  EXPECT_THAT(text.out, HasSubstr("DOES NOT FIT"));
  EXPECT_THAT(text.out, HasSubstr("train.gradient_checkpointing: selective"));
  // What is proposed does fit, and `auto` takes it by itself.
  EXPECT_TRUE(json(with("selective", peak - 1), 0)["fits"]);
  EXPECT_EQ(json(with("auto", peak - 1), 0)["memory"]["gradient_checkpointing"], "selective");
  EXPECT_EQ(json(with("auto", peak), 0)["memory"]["gradient_checkpointing"], "none");
}

TEST_F(Plan, NothingHelpsBelowTheWeights) {
  const Json found = json({"--memory", "1 KiB"}, 1);
  EXPECT_TRUE(found["memory"]["change"].is_null());
  EXPECT_THAT(found["memory"]["largest_part"].get<std::string>(), Not(testing::IsEmpty()));
  EXPECT_THAT(plan({"--memory", "1 KiB"}).out, HasSubstr("none: one row of the shortest sequence still takes"));
  EXPECT_EQ(plan({"--memory", "much"}).exit_code, 2);
}

TEST_F(Plan, AGpuElsewhereIsPlannedForByItsMemory) {
  const Json found = json({"--device", "cuda", "--memory", "14 GiB"}, 0);
  EXPECT_THAT(found["memory"]["parts"].dump(), HasSubstr("GPU libraries"));
}

TEST_F(Plan, TheJsonHoldsTheSameFigures) {
  const Json found = json({}, 0);
  int64_t sum = 0;
  for (const Json& part : found["memory"]["parts"]) sum += part["bytes"].get<int64_t>();
  EXPECT_EQ(sum, found["memory"]["peak_bytes"]);
  EXPECT_EQ(found["memory"]["phases"].size(), 4u);
  EXPECT_EQ(found["updates"], 12);
  EXPECT_GT(found["flops_per_update"], 0);
  EXPECT_TRUE(found["time"].is_null());
  EXPECT_EQ(found["disk"]["checkpoints"], 3) << "two that stay, and a new one before the oldest goes";
}

TEST_F(Plan, TimeIsThatOfTheRunsOwnLog) {
  const Outcome run = place_.run({"train", "tiny.yaml", "--progress", "none", "--max-steps", "3", "--device", "cpu"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, Not(HasSubstr("may not fit")));
  const Json found = json({}, 0);
  EXPECT_EQ(found["time"]["measured_updates"], 3);
  EXPECT_GT(found["time"]["seconds_per_update"], 0);
  EXPECT_DOUBLE_EQ(found["time"]["seconds_left"].get<double>(), 9 * found["time"]["seconds_per_update"].get<double>());
}

TEST_F(Plan, WhatAScriptTakesIsNamedAndNotGuessed) {
  const std::string script = test_data("torchscript/logits.pt").string();
  const Json teacher =
      json({"--set", "teacher.path=" + script, "--set", "teacher.trust=torchscript", "--set", "data.packing=false"}, 0);
  EXPECT_THAT(teacher["not_counted"].dump(), HasSubstr("TorchScript teacher"));
  EXPECT_THAT(teacher["memory"]["parts"].dump(), HasSubstr("teacher weights")) << "the size of its file";
  EXPECT_TRUE(teacher["flops_per_update"].is_null());
  place_.write("script.yaml",
               "student: {path: " + script +
                   ", trust: torchscript}\n"
                   "data: {train: [{path: rows.jsonl}], packing: false}\n"
                   "objective: [{function: cross_entropy}]\ntrain: {length: 3 steps, device: cpu}\noutput: runs/s\n");
  const Outcome student = place_.run({"plan", "script.yaml", "--json"});
  ASSERT_EQ(student.exit_code, 0) << student.err;
  EXPECT_TRUE(Json::parse(student.out)["memory"].is_null());
}

TEST_F(Plan, WrongRecipesAndFilesEndAsTheyDoInTraining) {
  EXPECT_EQ(plan({"--set", "train.batch_size=none"}).exit_code, 2);
  EXPECT_EQ(plan({"--set", "teacher.path=absent"}).exit_code, 65);
  const std::string weights = place_.read("teacher/model.safetensors");
  place_.write("teacher/model.safetensors", weights.substr(0, 100));  // the header breaks off
  const Outcome cut = plan({});
  EXPECT_EQ(cut.exit_code, 65);
  EXPECT_THAT(cut.err, HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace distill::test
