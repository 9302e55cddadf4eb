// A generated corpus of input that must be refused, all of it in one process: for builds with sanitizers. Each case must end well
// or in an InputError of four parts that names it.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <string>

#include "distill/core/error.h"
#include "distill/core/json_reader.h"

namespace distill::test {

constexpr double kSlowSeconds = 3;  // slower cases are named, so that nobody wonders where the time goes

struct Ending {
  bool refused = false;
  std::string text;  // of the refusal
};

inline Ending ending_of(const std::function<void()>& read) {
  try {
    read();
    return {};
  } catch (const InputError& error) {
    return {true, error.what()};
  }
}

// Nothing when the case ended as it should. `unnamed` ones are found out when the text comes, whose place the message has.
inline std::string fault_of(const Json& given, const Ending& ending) {
  if (given["valid"].get<bool>()) return ending.refused ? "refused, but it is sound: " + ending.text : "";
  if (!ending.refused) return "accepted";
  for (const char* part : {"expected", "found", "\n  -> "})
    if (ending.text.find(part) == std::string::npos) return std::string("no `") + part + "` in: " + ending.text;
  if (!given.value("unnamed", false) && ending.text.find(given["path"].get<std::string>()) == std::string::npos)
    return "does not name the file: " + ending.text;
  return "";
}

// Reads each case of <folder>/cases.json. Returns the exit code: 0 unless a case ends otherwise than it should.
inline int check_cases(const std::filesystem::path& folder, const std::function<void(const Json& given)>& read) {
  int num_faults = 0, num_cases = 0;
  for (const Json& given : read_json_file((folder / "cases.json").string())) {
    const auto start = std::chrono::steady_clock::now();
    const std::string fault = fault_of(given, ending_of([&] { read(given); }));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (seconds > kSlowSeconds) std::cerr << given["path"].get<std::string>() << ": " << seconds << " s\n";
    ++num_cases;
    if (fault.empty()) continue;
    ++num_faults;
    std::cerr << given["path"].get<std::string>() << ": " << fault.substr(0, 2000) << "\n";
  }
  std::cerr << num_cases << " cases, " << num_faults << " that ended otherwise than they should\n";
  return num_faults == 0 && num_cases > 0 ? 0 : 1;
}

}  // namespace distill::test
