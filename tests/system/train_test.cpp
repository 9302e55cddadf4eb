// The main job through the command line: a student appears, learning is real, runs continue exactly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>

#include "system/tiny.h"

namespace distill::test {
namespace {

using testing::HasSubstr;

class Train : public testing::Test {
 protected:
  void SetUp() override {
    prepare_tiny(place);
    place.write("tiny.yaml", tiny_recipe("runs/whole"));
  }
  Outcome train(const std::string& output, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"train", "tiny.yaml", "--progress", "none", "--set", "output=" + output});
    return place.run(more);
  }
  void kill_and_continue(const std::vector<std::string>& more);
  std::string student(const std::string& output) { return place.read(output + "/student/model.safetensors"); }

  Workplace place;
};

// `lines` without figures of time.
std::string figures(const std::map<int64_t, Json>& steps) {
  std::string text;
  for (const auto& [step, event] : steps)
    text +=
        std::to_string(step) + " " + event["loss"].dump() + " " + event["grad_norm"].dump() + " " + event["terms"].dump() + "\n";
  return text;
}

TEST_F(Train, OneCommandMakesAStudentASummaryAndALog) {
  const Outcome outcome = place.run({"--config", "tiny.yaml"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 8) << outcome.out;
  for (const char* file : {"student/config.json", "student/model.safetensors", "log.jsonl", "summary.json"})
    EXPECT_TRUE(place.has(std::string("runs/whole/") + file)) << file;
  EXPECT_EQ(outcome.err.find('\r'), std::string::npos) << "no terminal, no carriage returns";
  const Json summary = Json::parse(place.read("runs/whole/summary.json"));
  EXPECT_EQ(summary["step"], 12);
  EXPECT_LT(summary["student_after"]["kl"].get<double>(), summary["student_before"]["kl"].get<double>());
  const auto steps = logged_steps(place, "runs/whole");
  ASSERT_EQ(steps.size(), 12u);
  const Json& first = steps.at(1);
  EXPECT_NEAR(first["loss"].get<double>(),
              first["terms"]["kl"].get<double>() + 0.5 * first["terms"]["cross_entropy"].get<double>(), 1e-6);
}

TEST_F(Train, TheSameCommandOnAFinishedRunTrainsNothing) {
  ASSERT_EQ(train("runs/whole").exit_code, 0);
  const std::string before = student("runs/whole"), log = place.read("runs/whole/log.jsonl");
  ASSERT_EQ(train("runs/whole").exit_code, 0);
  EXPECT_EQ(student("runs/whole"), before);
  EXPECT_EQ(place.read("runs/whole/log.jsonl"), log);
}

TEST_F(Train, StoppedAndContinuedEqualsUninterruptedBitForBit) {
  ASSERT_EQ(train("runs/whole").exit_code, 0);
  const Outcome half = train("runs/parts", {"--max-steps", "5"});
  ASSERT_EQ(half.exit_code, 0) << half.err;
  EXPECT_EQ(logged_steps(place, "runs/parts").size(), 5u);
  ASSERT_EQ(train("runs/parts").exit_code, 0);
  EXPECT_EQ(figures(logged_steps(place, "runs/parts")), figures(logged_steps(place, "runs/whole")));
  EXPECT_EQ(student("runs/parts"), student("runs/whole"));
}

// Kills a run once its second checkpoint is there, runs the same command again, and compares with a run that was left alone.
void Train::kill_and_continue(const std::vector<std::string>& more) {
  std::vector<std::string> longer = {"--set", "train.length=300 steps", "--set", "train.save_every=20 steps"};
  longer.insert(longer.end(), more.begin(), more.end());
  ASSERT_EQ(train("runs/whole", longer).exit_code, 0);
  std::vector<std::string> words = {"train", "tiny.yaml", "--progress", "none", "--set", "output=runs/killed"};
  words.insert(words.end(), longer.begin(), longer.end());
  Command command = place.command(words);
  command.signal = SIGKILL;
  command.signal_when = [&] { return place.has("runs/killed/checkpoints/step-00000040"); };
  EXPECT_EQ(run_process(command).exit_code, 128 + SIGKILL);
  EXPECT_FALSE(place.has("runs/killed/summary.json"));
  const Outcome again = train("runs/killed", longer);
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(figures(logged_steps(place, "runs/killed")), figures(logged_steps(place, "runs/whole")));
  EXPECT_EQ(student("runs/killed"), student("runs/whole"));
}

TEST_F(Train, KilledOutrightItContinuesFromTheLastCheckpoint) { kill_and_continue({}); }

TEST_F(Train, KilledInsideAnAccumulationWindowItContinuesBitForBitInHalfPrecisionToo) {
  // Four micro-batches per update: nearly every moment lies within a window. The weight overflows float16 at the first scales.
  place.write("more.jsonl", token_rows(8, 4, 20, 5));
  kill_and_continue({"--set", "train.precision=float16", "--set", "train.gradient_accumulation_steps=4", "--set",
                     "train.batch_size=1", "--set", "student.dropout=0.1", "--set", "data.packing=true", "--set",
                     "objective.0.weight=1000", "--set", "data.train=[{path: rows.jsonl}, {path: more.jsonl, weight: 0.5}]"});
  int skipped = 0;
  for (const auto& [step, event] : logged_steps(place, "runs/whole")) skipped += event["skipped"].get<bool>();
  EXPECT_GE(skipped, 1);
  EXPECT_LT(skipped, 100);
}

TEST_F(Train, ATimeLimitStopsResumably) {
  const Outcome stopped = train("runs/parts", {"--set", "train.length=100k steps", "--max-minutes", "0.02"});
  ASSERT_EQ(stopped.exit_code, 0) << stopped.err;
  const Json summary = Json::parse(place.read("runs/parts/summary.json"));
  EXPECT_FALSE(summary["finished"].get<bool>());
  EXPECT_GT(summary["step"].get<int64_t>(), 0);
}

TEST_F(Train, SignalsSaveAndSayHowTheRunEnded) {
  for (const auto& [signal, exit_code] : {std::pair{SIGTERM, 143}, std::pair{SIGINT, 130}}) {
    const std::string output = "runs/signal-" + std::to_string(signal);
    Command command =
        place.command({"train", "tiny.yaml", "--progress", "none", "--set", "output=" + output, "--set",
                       "train.length=100k steps", "--set", "train.save_every=10 minutes", "--set", "train.log_every=1 steps"});
    command.signal = signal;
    command.signal_when = [&] { return place.read(output + "/log.jsonl").find("\"event\":\"step\"") != std::string::npos; };
    const Outcome outcome = run_process(command);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    const Outcome again = train(output, {"--set", "train.length=100k steps", "--max-steps", "1", "--set",
                                         "train.save_every=10 minutes", "--set", "train.log_every=1 steps"});
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_THAT(place.read(output + "/log.jsonl"), HasSubstr("\"event\":\"resume\""));
  }
}

TEST_F(Train, AChangedRecipeIsNotContinuedSilently) {
  ASSERT_EQ(train("runs/whole", {"--max-steps", "4"}).exit_code, 0);
  const Outcome changed = train("runs/whole", {"--set", "optimizer.learning_rate=1e-3"});
  EXPECT_EQ(changed.exit_code, 2);
  EXPECT_THAT(changed.err, HasSubstr("--allow-recipe-change"));
  EXPECT_EQ(train("runs/whole", {"--set", "optimizer.learning_rate=1e-3", "--fresh"}).exit_code, 0);
  EXPECT_TRUE(place.has("runs/whole.old-1"));
}

TEST_F(Train, DryRunWritesNothing) {
  EXPECT_EQ(train("runs/dry", {"--dry-run"}).exit_code, 0);
  EXPECT_FALSE(place.has("runs/dry"));
}

// Eight ragged rows, one with a single kept token, every kind of term: however the batch is cut, the update is the same.
TEST_F(Train, EveryCutOfABatchGivesTheSameLossAndGradient) {
  place.write("rows.jsonl", token_rows(7, 5, 30, 3) + "{\"input_ids\":[9,8,7,6],\"labels\":[-100,-100,7,-100]}\n");
  place.write("cuts.yaml",
              "teacher: {path: teacher}\n"
              "student: {init: {config: " +
                  tiny_config(16, 2) +
                  "}}\n"
                  "data: {train: [{path: rows.jsonl}], sequence_length: 32, packing: false, shuffle: false}\n"
                  "objective:\n"
                  "  - {function: jsd, beta: 0.3, temperature: 2}\n"
                  "  - {function: cross_entropy, weight: 0.5}\n"
                  "  - {function: hidden_mse, weight: 0.1}\n"
                  "  - {function: attention_mse, weight: 0.1, layer_mapping: [[1, 3]]}\n"
                  "train: {length: 3 steps, device: cpu, precision: float64}\n"
                  "output: runs/cuts\n");
  std::map<int64_t, Json> whole;
  for (const int rows : {8, 4, 2, 1}) {
    const std::string output = "runs/cuts-" + std::to_string(rows);
    const Outcome outcome = place.run({"train", "cuts.yaml", "--progress", "none", "--set", "output=" + output, "--set",
                                       "train.batch_size=" + std::to_string(rows), "--set",
                                       "train.gradient_accumulation_steps=" + std::to_string(8 / rows)});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto steps = logged_steps(place, output);
    ASSERT_EQ(steps.size(), 3u);
    if (rows == 8) whole = steps;
    for (const auto& [step, event] : steps) {
      for (const char* figure : {"loss", "grad_norm"}) {
        const double expected = whole.at(step)[figure].get<double>();
        EXPECT_NEAR(event[figure].get<double>(), expected, 1e-12 * std::abs(expected))
            << rows << " rows, step " << step << ", " << figure;
      }
    }
  }
}

TEST_F(Train, TermsThatDoNotFitTheModelsAreRefusedAtTheirLine) {
  place.write("odd.yaml",
              "teacher: {path: teacher}\n"
              "student: {init: {config: " +
                  tiny_config(16, 2) +
                  "}}\n"
                  "data: {train: [{path: rows.jsonl}], sequence_length: 32}\n"
                  "objective:\n"
                  "  - {function: attention_kl, layer_mapping: [[1, 9]]}\n"
                  "  - {function: minilm_value, relation_heads: 5}\n"
                  "  - function: sae_features\n"
                  "    sae: {path: sae.pt, layer: 8}\n"
                  "train: {length: 3 steps, device: cpu}\n"
                  "output: runs/odd\n");
  const Outcome outcome = place.run({"train", "odd.yaml", "--progress", "none"});
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("odd.yaml:5:45: objective.0.layer_mapping: expected teacher layers 1 to 3, found 9"));
  EXPECT_THAT(outcome.err, HasSubstr("odd.yaml:6:45: objective.1.relation_heads"));
  EXPECT_THAT(outcome.err, HasSubstr("odd.yaml:8:10: objective.2.sae: expected teacher layers 0 to 3, found 8"));
  EXPECT_FALSE(place.has("runs/odd"));
}

TEST_F(Train, FeatureTermsTrainInHalfPrecision) {
  for (const char* precision : {"bfloat16", "float16"}) {
    const std::string output = std::string("runs/") + precision;
    const Outcome outcome = train(
        output, {"--set", std::string("train.precision=") + precision, "--set",
                 "objective=[{function: attention_kl, layer_mapping: [[1, 1], [2, 3]]}, {function: minilm_value, relations: [q, "
                 "k, v]}, {function: gram}, {function: hidden_l1, layer_mapping: learned}]"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto steps = logged_steps(place, output);
    ASSERT_EQ(steps.size(), 12u);
    EXPECT_LT(steps.at(12)["loss"].get<double>(), steps.at(1)["loss"].get<double>()) << precision;
  }
}

TEST_F(Train, EvalAgreesWithTheEndOfTheRun) {
  ASSERT_EQ(train("runs/whole").exit_code, 0);
  const Json summary = Json::parse(place.read("runs/whole/summary.json"));
  const Outcome outcome = place.run(
      {"eval", "--model", "runs/whole/student", "--data", "held.jsonl", "--teacher", "teacher", "--device", "cpu", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json figures = Json::parse(outcome.out);
  EXPECT_NEAR(figures["cross_entropy"].get<double>(), summary["student_after"]["cross_entropy"].get<double>(), 1e-5);
  EXPECT_NEAR(figures["kl"].get<double>(), summary["student_after"]["kl"].get<double>(), 1e-5);
}

}  // namespace
}  // namespace distill::test
