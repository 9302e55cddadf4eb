// TorchScript teachers and students through the command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "paths.h"
#include "system/tiny.h"

namespace distill::test {
namespace {

using testing::HasSubstr;

class ScriptRuns : public testing::Test {
 protected:
  void SetUp() override {
    place.write("rows.jsonl", token_rows(40, 6, 30, 1));
    place.write("held.jsonl", token_rows(8, 6, 30, 2));
    for (const char* name : {"everything", "logits", "tied", "frozen"})
      std::filesystem::copy(test_data("torchscript/" + std::string(name) + ".pt"), place.file(std::string(name) + ".pt"));
    std::filesystem::create_directory(place.file("learner"));
    std::filesystem::rename(place.file("tied.pt"), place.file("learner/model.pt"));
    write_recipe("own.yaml", "{init: {config: " + tiny_config(16, 2) + "}}", "{function: hidden_mse, weight: 0.1}");
    write_recipe("script.yaml", "{path: learner, trust: torchscript}", "{function: cross_entropy, weight: 0.1}");
  }
  void write_recipe(const std::string& name, const std::string& student, const std::string& term) const {
    place.write(name, "teacher: {path: everything.pt, trust: torchscript}\nstudent: " + student +
                          "\n"
                          "data: {train: [{path: rows.jsonl}], eval: [{path: held.jsonl}], sequence_length: 32, packing: false}\n"
                          "objective: [{function: kl}, " +
                          term +
                          "]\n"
                          "optimizer: {learning_rate: 1e-2}\n"
                          "train: {length: 12 steps, batch_size: 2, device: cpu, save_every: 4 steps}\n"
                          "output: runs/whole\n");
  }
  Outcome train(const std::string& recipe, const std::string& output, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"train", recipe, "--progress", "none", "--set", "output=" + output});
    return place.run(more);
  }
  void expect_learned(const std::string& output) const {
    const Json summary = Json::parse(place.read(output + "/summary.json"));
    EXPECT_LT(summary["student_after"]["kl"].get<double>(), 0.9 * summary["student_before"]["kl"].get<double>());
  }

  Workplace place;
};

TEST_F(ScriptRuns, AScriptTeachesAStudentLogitsAndHiddenStates) {
  const Outcome outcome = train("own.yaml", "runs/whole");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  expect_learned("runs/whole");
  EXPECT_TRUE(place.has("runs/whole/student/model.safetensors"));
  const Json step = logged_steps(place, "runs/whole").at(12);
  EXPECT_GT(step["terms"]["hidden_mse"].get<double>(), 0);
}

TEST_F(ScriptRuns, AScriptLearnsIsSavedAndEvaluates) {
  const Outcome outcome = train("script.yaml", "runs/whole");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  expect_learned("runs/whole");
  ASSERT_TRUE(place.has("runs/whole/student/model.pt"));
  EXPECT_NE(place.read("runs/whole/student/model.pt"), place.read("learner/model.pt"));
  const Outcome measured = place.run({"eval", "script.yaml", "--json"});
  ASSERT_EQ(measured.exit_code, 0) << measured.err;
  EXPECT_THAT(measured.err, HasSubstr("evaluating runs/whole/student"));
  const Json after = Json::parse(place.read("runs/whole/summary.json"))["student_after"];
  EXPECT_NEAR(Json::parse(measured.out)["kl"].get<double>(), after["kl"].get<double>(), 1e-9);
}

std::string figures(const std::map<int64_t, Json>& steps) {
  std::string text;
  for (const auto& [step, event] : steps)
    text += std::to_string(step) + " " + event["loss"].dump() + " " + event["grad_norm"].dump() + "\n";
  return text;
}

TEST_F(ScriptRuns, AStoppedScriptStudentContinuesBitForBit) {
  ASSERT_EQ(train("script.yaml", "runs/whole").exit_code, 0);
  ASSERT_EQ(train("script.yaml", "runs/parts", {"--max-steps", "5"}).exit_code, 0);
  ASSERT_TRUE(place.has("runs/parts/student/model.pt"));
  ASSERT_EQ(train("script.yaml", "runs/parts").exit_code, 0);
  EXPECT_EQ(figures(logged_steps(place, "runs/parts")), figures(logged_steps(place, "runs/whole")));
  EXPECT_EQ(place.read("runs/parts/checkpoints/step-00000012/model.safetensors"),
            place.read("runs/whole/checkpoints/step-00000012/model.safetensors"));
}

TEST_F(ScriptRuns, AKilledScriptStudentContinuesBitForBit) {
  const std::vector<std::string> longer = {"--set", "train.length=300 steps", "--set", "train.save_every=20 steps"};
  ASSERT_EQ(train("script.yaml", "runs/whole", longer).exit_code, 0);
  std::vector<std::string> words = {"train", "script.yaml", "--progress", "none", "--set", "output=runs/killed"};
  words.insert(words.end(), longer.begin(), longer.end());
  Command command = place.command(words);
  command.signal = SIGKILL;
  command.signal_when = [&] { return place.has("runs/killed/checkpoints/step-00000040/manifest.json"); };
  ASSERT_EQ(run_process(command).exit_code, 128 + SIGKILL);
  ASSERT_EQ(train("script.yaml", "runs/killed", longer).exit_code, 0);
  EXPECT_EQ(figures(logged_steps(place, "runs/killed")), figures(logged_steps(place, "runs/whole")));
  EXPECT_EQ(place.read("runs/killed/checkpoints/step-00000300/model.safetensors"),
            place.read("runs/whole/checkpoints/step-00000300/model.safetensors"));
}

TEST_F(ScriptRuns, AScriptStudentTrainsInHalfPrecision) {
  const Outcome outcome = train("script.yaml", "runs/half", {"--set", "train.precision=bfloat16"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  expect_learned("runs/half");
}

TEST_F(ScriptRuns, WhatAScriptCannotDoIsRefused) {
  struct Case {
    std::vector<std::string> words;
    int exit_code;
    const char* message;
  };
  const std::vector<Case> cases = {
      {{"own.yaml", "--set", "data.packing=true"}, 2, "cannot keep documents of one row apart"},
      {{"own.yaml", "--set", "teacher.path=logits.pt"}, 2, "a teacher that returns hidden states"},
      {{"own.yaml", "--set", "teacher.trust=none"}, 65, "everything.pt: expected a Hugging Face model folder"},
      {{"script.yaml", "--set", "student.dropout=0.1"}, 2, "student.dropout"},
      {{"script.yaml", "--set", "student.freeze=[embeddings]"}, 2, "student.freeze"},
      {{"script.yaml", "--set", "train.gradient_checkpointing=full"}, 2, "train.gradient_checkpointing"},
      {{"script.yaml", "--set", "student.path=frozen.pt"}, 65, "torch.jit.freeze"},
  };
  for (const Case& c : cases) {
    const Outcome outcome = train(c.words[0], "runs/refused", {c.words.begin() + 1, c.words.end()});
    EXPECT_EQ(outcome.exit_code, c.exit_code) << c.message << "\n" << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(c.message));
    EXPECT_FALSE(place.has("runs/refused"));
  }
}

}  // namespace
}  // namespace distill::test
