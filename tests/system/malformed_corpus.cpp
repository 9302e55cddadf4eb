#include "system/malformed_corpus.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <thread>

#include "paths.h"

namespace distill::test {
namespace {

constexpr const char* kSentinel = "executed.sentinel";  // what the attacks in the corpus would create
constexpr uint64_t kMoreThanAStart = uint64_t{256} << 20;
constexpr uint64_t kCopiesOfAFile = 5;  // a line of 100 MB is read, held and parsed
constexpr size_t kLongestMessage = 16384;

uint64_t file_bytes(const std::filesystem::path& path) {
  return std::filesystem::is_regular_file(path) ? std::filesystem::file_size(path) : 0;
}

}  // namespace

void MalformedCorpus::generate(const std::string& script, const std::string& folder, const std::vector<std::string>& whole_groups,
                               size_t every) {
  folder_ = folder;
  const std::string path = (source_folder() / "scripts/goldens" / script).string();
  ASSERT_EQ(std::system(("python3 '" + path + "' '" + place.file(folder).string() + "' >/dev/null").c_str()), 0);
  const bool all = std::getenv("DISTILL_ALL_MALFORMED") != nullptr;
  size_t number = 0;
  for (const Json& entry : Json::parse(place.read(folder + "/cases.json"))) {
    const std::string name = entry["path"];
    const bool always =
        entry["valid"] || std::count(whole_groups.begin(), whole_groups.end(), name.substr(0, name.find('/'))) > 0;
    if (always || all || number++ % every == 0)
      cases.push_back({name, entry["verb"], entry["says"].get<std::vector<std::string>>(), entry["valid"], entry});
  }
  const Outcome version = place.run({"version"});
  ASSERT_EQ(version.exit_code, 0);
  start_bytes_ = version.peak_rss_bytes;
}

std::string MalformedCorpus::fault_of(const MalformedCase& given, const Outcome& outcome, const std::string& output) const {
  if (outcome.timed_out) return "did not end";
  if (outcome.exit_code != (given.valid ? 0 : 65)) return "exit code " + std::to_string(outcome.exit_code);
  if (place.has(kSentinel) || place.has(folder_ + "/" + kSentinel)) return "something was run: " + std::string(kSentinel);
  if (most_cpu_seconds > 0 && outcome.cpu_seconds > most_cpu_seconds) return std::to_string(outcome.cpu_seconds) + " s of work";
  const uint64_t held = file_bytes(place.file(folder_ + "/" + given.path)) + given.given.value("unpacked_bytes", uint64_t{0});
  const uint64_t allowed = start_bytes_ + kMoreThanAStart + kCopiesOfAFile * held;
  if (outcome.peak_rss_bytes > allowed) return std::to_string(outcome.peak_rss_bytes >> 20) + " MB at the peak";
  if (given.valid) return "";
  if (place.has(output)) return "an output was written";
  std::vector<std::string> words = given.says;
  if (!given.given.value("unnamed", false)) words.push_back(given.path);
  words.insert(words.end(), {"expected", "found", "\n  -> "});
  for (const std::string& word : words)
    if (outcome.err.find(word) == std::string::npos) return "does not say `" + word + "`";
  return outcome.err.size() > kLongestMessage ? "a message of " + std::to_string(outcome.err.size()) + " bytes" : "";
}

std::vector<MalformedEnding> MalformedCorpus::run_all(bool valid) const {
  std::vector<MalformedEnding> endings;
  std::atomic<size_t> next{0};
  std::mutex mutex;
  const auto work = [&](const std::string& worker) {
    for (size_t i = next++; i < cases.size(); i = next++) {
      if (cases[i].valid != valid) continue;
      const std::string output = worker + std::to_string(i);
      Command command = command_for(cases[i], output);
      command.environment = {{"OMP_NUM_THREADS", "1"}};
      command.timeout_seconds = hang_seconds;
      const Outcome outcome = run_process(command);
      const std::lock_guard lock(mutex);
      endings.push_back({cases[i], outcome, fault_of(cases[i], outcome, output)});
    }
  };
  std::thread second(work, "second");
  work("first");
  second.join();
  return endings;
}

void MalformedCorpus::report(const std::vector<MalformedEnding>& endings) {
  for (const auto& [given, outcome, fault] : endings) EXPECT_EQ(fault, "") << given.path << ": " << outcome.err.substr(0, 1000);
}

void MalformedCorpus::print_extremes(const std::vector<MalformedEnding>& endings, const std::string& what) const {
  const auto slowest = std::max_element(endings.begin(), endings.end(), [](const MalformedEnding& a, const MalformedEnding& b) {
    return a.outcome.cpu_seconds < b.outcome.cpu_seconds;
  });
  const auto biggest = std::max_element(endings.begin(), endings.end(), [](const MalformedEnding& a, const MalformedEnding& b) {
    return a.outcome.peak_rss_bytes < b.outcome.peak_rss_bytes;
  });
  std::cout << endings.size() << " " << what << "; longest work " << slowest->outcome.cpu_seconds << " s (" << slowest->given.path
            << "), highest peak " << (biggest->outcome.peak_rss_bytes >> 20) << " MB (" << biggest->given.path
            << "), a start alone " << (start_bytes_ >> 20) << " MB\n";
}

}  // namespace distill::test
