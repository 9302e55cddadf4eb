// Model files that must be refused, each by a fresh process as a user would start it: exit code 65, a message that names the file
// and the fault, nothing run, nothing written, little memory. The corpus is generated here by
// scripts/goldens/make_malformed_models.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>

#include "distill/core/json_reader.h"

#include "paths.h"
#include "system/process.h"

namespace distill::test {
namespace {

constexpr const char* kSentinel = "executed.sentinel";  // what the attacks in the corpus would create
constexpr uint64_t kMoreThanAStart = uint64_t{256} << 20;
constexpr double kHangSeconds = 20;

struct ModelCase {
  std::string path, verb;
  std::vector<std::string> says;
  bool valid = false;
};

struct Ended {
  ModelCase given;
  Outcome outcome;
  std::string fault;  // "" when it ended as it should
};

class MalformedModels : public testing::Test {
 protected:
  void SetUp() override {
    const std::string script = (source_folder() / "scripts/goldens/make_malformed_models.py").string();
    ASSERT_EQ(std::system(("python3 '" + script + "' '" + place.file("models").string() + "' >/dev/null").c_str()), 0);
    for (const Json& entry : Json::parse(place.read("models/cases.json")))
      cases.push_back({entry["path"], entry["verb"], entry["says"].get<std::vector<std::string>>(), entry["valid"]});
    place.write("rows.jsonl", "{\"input_ids\": [1, 2, 3]}\n");
    const Outcome version = place.run({"version"});
    ASSERT_EQ(version.exit_code, 0);
    start_bytes = version.peak_rss_bytes;
  }

  Command command_for(const ModelCase& given, const std::string& output) const {
    const std::string path = "models/" + given.path;
    Command command = place.command({"inspect", path});
    if (given.verb == "forward")
      command = place.command({"forward", "--model", path, "--input", "rows.jsonl", "--output", output});
    command.environment = {{"OMP_NUM_THREADS", "1"}};
    command.timeout_seconds = kHangSeconds;
    return command;
  }

  std::string fault_of(const ModelCase& given, const Outcome& outcome, const std::string& output) const {
    if (outcome.timed_out) return "did not end";
    if (outcome.exit_code != (given.valid ? 0 : 65)) return "exit code " + std::to_string(outcome.exit_code);
    if (place.has(kSentinel) || place.has(std::string("models/") + kSentinel))
      return "something was run: " + std::string(kSentinel);
    if (outcome.peak_rss_bytes > start_bytes + kMoreThanAStart)
      return std::to_string(outcome.peak_rss_bytes >> 20) + " MB at the peak";
    if (given.valid) return "";
    if (place.has(output)) return "an output was written";
    std::vector<std::string> words = given.says;
    words.insert(words.end(), {given.path, "expected", "found", "\n  -> "});
    for (const std::string& word : words)
      if (outcome.err.find(word) == std::string::npos) return "does not say `" + word + "`";
    return outcome.err.size() > 16384 ? "a message of " + std::to_string(outcome.err.size()) + " bytes" : "";
  }

  // Two at a time: most of a case is the start of the program.
  std::vector<Ended> run_all(bool valid) const {
    std::vector<Ended> ended;
    std::atomic<size_t> next{0};
    std::mutex mutex;
    const auto work = [&](const std::string& output) {
      for (size_t i = next++; i < cases.size(); i = next++) {
        if (cases[i].valid != valid) continue;
        const Outcome outcome = run_process(command_for(cases[i], output));
        const std::lock_guard lock(mutex);
        ended.push_back({cases[i], outcome, fault_of(cases[i], outcome, output)});
      }
    };
    std::thread second(work, "second.safetensors");
    work("first.safetensors");
    second.join();
    return ended;
  }

  static void report(const std::vector<Ended>& ended) {
    for (const auto& [given, outcome, fault] : ended) EXPECT_EQ(fault, "") << given.path << ": " << outcome.err.substr(0, 1000);
  }

  void print_extremes(const std::vector<Ended>& ended) const {
    const auto slowest = std::max_element(ended.begin(), ended.end(),
                                          [](const Ended& a, const Ended& b) { return a.outcome.seconds < b.outcome.seconds; });
    const auto biggest = std::max_element(ended.begin(), ended.end(), [](const Ended& a, const Ended& b) {
      return a.outcome.peak_rss_bytes < b.outcome.peak_rss_bytes;
    });
    std::cout << ended.size() << " malformed models; slowest " << slowest->outcome.seconds << " s (" << slowest->given.path
              << "), highest peak " << (biggest->outcome.peak_rss_bytes >> 20) << " MB (" << biggest->given.path
              << "), a start alone " << (start_bytes >> 20) << " MB\n";
  }

  Workplace place;
  std::vector<ModelCase> cases;
  uint64_t start_bytes = 0;
};

TEST_F(MalformedModels, EachIsRefusedWithItsNameAndItsFaultInLittleMemoryAndRunsNothing) {
  const std::vector<Ended> ended = run_all(false);
  ASSERT_GE(ended.size(), 130u);
  report(ended);
  print_extremes(ended);
}

TEST_F(MalformedModels, TheSoundModelsTheyComeFromOpen) {
  const std::vector<Ended> ended = run_all(true);
  ASSERT_GE(ended.size(), 5u);
  report(ended);
}

}  // namespace
}  // namespace distill::test
