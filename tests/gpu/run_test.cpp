// The program on the device, as a user runs it: bit-equal runs, a kill in the middle, memory that runs out.
#include <cmath>
#include <csignal>

#include "distill/checkpoint/safetensors.h"
#include "distill/core/file.h"

#include "gpu/device.h"
#include "system/tiny.h"

using namespace distill;
using namespace distill::test;

namespace {

class GpuRuns : public OnDevice {
 protected:
  void SetUp() override {
    OnDevice::SetUp();
    if (!IsSkipped()) prepare_tiny(place_);
  }
  std::string device() const { return rehearsal() ? "cpu" : "cuda"; }

  Command train(const std::string& output, const std::string& precision, std::vector<std::string> more = {}) const {
    place_.write(output + ".yaml", tiny_recipe("runs/" + output));
    std::vector<std::string> words = {"train",
                                      output + ".yaml",
                                      "--device",
                                      device(),
                                      "--deterministic",
                                      "--progress",
                                      "none",
                                      "--set",
                                      "train.precision=" + precision,
                                      "--set",
                                      "student.dropout=0.1",
                                      "--set",
                                      "train.save_every=2 steps"};
    words.insert(words.end(), more.begin(), more.end());
    return place_.command(words);
  }
  std::string weights_of(const std::string& output) const {
    return sha256_file(place_.file("runs/" + output + "/checkpoints/step-00000012/model.safetensors"));
  }

  Workplace place_;
};

TEST_F(GpuRuns, DeterministicRunsAndARunKilledInTheMiddleEndWithTheSameBits_CUDA) {
  for (const char* precision :
       rehearsal() ? std::vector<const char*>{"float32"} : std::vector<const char*>{"float32", "float16"}) {
    const std::string name = precision;
    const Outcome straight = run_process(train(name + "_straight", precision));
    ASSERT_EQ(straight.exit_code, 0) << straight.err;
    ASSERT_EQ(run_process(train(name + "_again", precision)).exit_code, 0);
    Command killed = train(name + "_killed", precision);
    killed.signal = SIGKILL;
    killed.signal_when = [&] { return place_.has("runs/" + name + "_killed/checkpoints/step-00000004/manifest.json"); };
    const Outcome dead = run_process(killed);
    const Outcome resumed = run_process(train(name + "_killed", precision));
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    figure(name + "_killed_with", static_cast<double>(dead.exit_code));  // 137; 0 when it was faster than the signal
    EXPECT_EQ(weights_of(name + "_again"), weights_of(name + "_straight"));
    EXPECT_EQ(weights_of(name + "_killed"), weights_of(name + "_straight"));
    const auto expected = logged_steps(place_, "runs/" + name + "_straight"),
               found = logged_steps(place_, "runs/" + name + "_killed");
    for (const auto& [step, event] : expected) EXPECT_EQ(found.at(step)["loss"], event["loss"]) << step;
  }
}

TEST_F(GpuRuns, PlanSaysWhatIsFreeBeforeAnythingIsThere_CUDA) {
  place_.write("tiny.yaml", tiny_recipe("runs/planned"));
  const Outcome outcome = place_.run({"plan", "tiny.yaml", "--device", device(), "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json plan = Json::parse(outcome.out);
  EXPECT_GT(plan["memory"]["free_bytes"].get<int64_t>(), int64_t{1} << 30);
  figure("free_gib", std::round(plan["memory"]["free_bytes"].get<double>() / (int64_t{1} << 30)));
}

TEST_F(GpuRuns, MemoryThatRunsOutIsNamedWithTheNextStep_CUDA) {
  if (rehearsal()) GTEST_SKIP() << "tests_system does so for a CPU";
  Command command = train("large", "float32", {"--set", "train.batch_size=4"});
  command.environment = {{"PYTORCH_CUDA_ALLOC_CONF", "per_process_memory_fraction:0.00002"}};
  const Outcome outcome = run_process(command);
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_NE(outcome.err.find("GPU memory: expected enough for "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find(" asked for, "), std::string::npos) << outcome.err;
}

TEST_F(GpuRuns, ForwardAnswersAsOnTheCpuFromTheCommandLine_CUDA) {
  place_.write("input.jsonl", "{\"input_ids\": [1, 5, 9, 12, 30]}\n{\"input_ids\": [7]}\n");
  const auto forward = [&](const std::string& where, const std::string& output) {
    return place_.run({"forward", "--model", "teacher", "--input", "input.jsonl", "--output", output, "--hidden", "--attentions",
                       "--device", where});
  };
  const Outcome there = forward(device(), "there.safetensors"), here = forward("cpu", "here.safetensors");
  ASSERT_EQ(there.exit_code, 0) << there.err;
  ASSERT_EQ(here.exit_code, 0) << here.err;
  const auto found = open_safetensors(place_.file("there.safetensors")),
             expected = open_safetensors(place_.file("here.safetensors"));
  double worst = 0;
  ASSERT_EQ(found->tensors().size(), expected->tensors().size());
  for (size_t i = 0; i < expected->tensors().size(); ++i)
    worst = std::max(worst, far(found->read(i, at::kFloat, at::kCPU), expected->read(i, at::kFloat, at::kCPU)));
  EXPECT_LT(worst, 2e-4);
  figure("worst", worst);
}

// The start of a run says which way attention goes.
TEST_F(GpuRuns, ARunSaysWhichWayAttentionWent_CUDA) {
  const Outcome outcome = run_process(train("told", "float32", {"--max-steps", "2"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("attention "), std::string::npos) << outcome.err;
  const size_t at = outcome.err.find("attention ");
  figure("said", outcome.err.substr(at, outcome.err.find('\n', at) - at));
}

}  // namespace
