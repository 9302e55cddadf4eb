// The verbs that train nothing, and the answers to wrong command lines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "distill/core/json_reader.h"

#include "system/tiny.h"

namespace distill::test {
namespace {

using testing::HasSubstr;

TEST(Verbs, VersionNamesTheBuild) {
  const Workplace place;
  const Outcome text = place.run({"version"});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_THAT(text.out, HasSubstr("torch 2."));
  const Json facts = Json::parse(place.run({"version", "--json"}).out);
  for (const char* fact : {"version", "torch", "cuda", "cudnn", "cuda_architectures", "gpus", "why_no_gpu"})
    EXPECT_TRUE(facts.contains(fact)) << fact;
}

TEST(Verbs, SchemaIsJsonThatKnowsEverySection) {
  const Workplace place;
  const Outcome outcome = place.run({"schema"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json schema = Json::parse(outcome.out);
  for (const char* section : {"teacher", "student", "data", "objective", "optimizer", "schedule", "train", "output"})
    EXPECT_TRUE(schema["properties"].contains(section)) << section;
}

TEST(Verbs, HelpGoesToStdoutAndAnUnknownVerbIsAUsageError) {
  const Workplace place;
  const Outcome help = place.run({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("train"));
  const Outcome wrong = place.run({"trian", "x.yaml"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("distill train"));
  EXPECT_EQ(wrong.out, "");
  EXPECT_EQ(place.run({"train"}).exit_code, 2);
  EXPECT_EQ(place.run({"train", "x.yaml", "--no-such-option"}).exit_code, 2);
}

TEST(Verbs, AVerbOfALaterVersionIsRefusedByName) {
  const Workplace place;
  const Outcome outcome = place.run({"doctor"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("not available yet"));
}

TEST(Verbs, WhatInitWritesPassesCheckOnceItsPathsAreThere) {
  const Workplace place;
  ASSERT_NO_FATAL_FAILURE(prepare_tiny(place));
  const Outcome recipe = place.run({"init", "--template", "cpu"});
  ASSERT_EQ(recipe.exit_code, 0) << recipe.err;
  place.write("recipe.yaml", recipe.out);
  const Outcome absent = place.run({"check", "recipe.yaml"});
  EXPECT_NE(absent.exit_code, 0);
  EXPECT_THAT(absent.err, HasSubstr("models/teacher"));
  const Outcome there = place.run({"check", "recipe.yaml", "--set", "teacher.path=teacher", "--set", "student.path=teacher",
                                   "--set", "data.train.0.path=rows.jsonl"});
  EXPECT_LE(there.exit_code, 1) << there.err;
}

TEST(Verbs, CheckReportsEveryProblemWithItsLine) {
  const Workplace place;
  place.write("bad.yaml",
              "student: {path: s}\n"
              "data: {train: [{path: rows.jsonl}]}\n"
              "objective:\n"
              "  - {function: cross_entropy, temperatur: 2}\n"
              "train: {length: ten steps}\n"
              "optimizer: {learning_rate: 1e-4, learning_rate: 1e-3}\n"
              "output: runs/x\n");
  const Outcome outcome = place.run({"check", "bad.yaml"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out, "");
  for (const char* part : {"bad.yaml:4", "temperature", "bad.yaml:5", "bad.yaml:6"}) EXPECT_THAT(outcome.err, HasSubstr(part));
  const Outcome json = place.run({"check", "bad.yaml", "--json"});
  EXPECT_EQ(json.exit_code, 2);
  EXPECT_GE(Json::parse(json.out)["problems"].size(), 3u);
  EXPECT_EQ(place.run({"train", "bad.yaml"}).exit_code, 2);
  EXPECT_FALSE(place.has("runs"));
}

TEST(Verbs, CheckResolvedShowsWhereValuesComeFrom) {
  const Workplace place;
  ASSERT_NO_FATAL_FAILURE(prepare_tiny(place));
  place.write("tiny.yaml", tiny_recipe("runs/x"));
  const Outcome outcome = place.run({"check", "tiny.yaml", "--resolved", "--set", "optimizer.learning_rate=3e-4"});
  EXPECT_LE(outcome.exit_code, 1) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("--set"));
  EXPECT_THAT(outcome.out, HasSubstr("default"));
  EXPECT_THAT(outcome.out, HasSubstr("tiny.yaml:"));
}

TEST(Verbs, InspectAndForwardReadATrainedFolder) {
  const Workplace place;
  ASSERT_NO_FATAL_FAILURE(prepare_tiny(place));
  const Outcome inspect = place.run({"inspect", "teacher", "--json"});
  ASSERT_EQ(inspect.exit_code, 0) << inspect.err;
  const Json tensors = Json::parse(inspect.out)["tensors"];
  ASSERT_GT(tensors.size(), 10u);
  for (const char* key : {"name", "dtype", "shape", "bytes"}) EXPECT_TRUE(tensors[0].contains(key)) << key;
  place.write("in.jsonl", "{\"input_ids\":[3,4,5]}\n{\"input_ids\":[7]}\n");
  const Outcome forward = place.run(
      {"forward", "--model", "teacher", "--input", "in.jsonl", "--output", "out.safetensors", "--hidden", "--attentions"});
  ASSERT_EQ(forward.exit_code, 0) << forward.err;
  const std::string written = place.read("out.safetensors");
  for (const char* name : {"row0.logits", "row1.logits", "row0.hidden_states.0", "row0.hidden_states.3", "row0.attentions.2"})
    EXPECT_THAT(written, HasSubstr(name));
  EXPECT_THAT(written, testing::Not(HasSubstr("row0.attentions.3")));
}

}  // namespace
}  // namespace distill::test
