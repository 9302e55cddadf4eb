// Opens models as the verbs do, many in one process, for builds with sanitizers: each must end well or in an InputError.
//   read_model PATH...              exit 65 when one is refused, 0 when all can be read
//   read_model --cases FOLDER       the corpus of make_malformed_models.py: exit 1 unless each case ends as its list says
//   read_model --prefixes FILE...   exit 1 unless every shorter prefix of every file is refused
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "distill/core/file.h"
#include "distill/core/json_reader.h"
#include "distill/core/log.h"

#include "fuzz/read_everything.h"

namespace distill::test {
namespace {

struct Ending {
  bool refused = false;
  std::string text;  // of the refusal
};

Ending ending_of(const fs::path& path) {
  try {
    read_everything(path);
    return {};
  } catch (const InputError& error) {
    return {true, error.what()};
  }
}

// Nothing when the case ended as it should.
std::string fault_of(const Json& given, const Ending& ending) {
  if (given["valid"].get<bool>()) return ending.refused ? "refused, but it is sound: " + ending.text : "";
  if (!ending.refused) return "accepted";
  for (const char* part : {"expected", "found", "\n  -> "})
    if (ending.text.find(part) == std::string::npos) return std::string("no `") + part + "` in: " + ending.text;
  if (ending.text.find(given["path"].get<std::string>()) == std::string::npos) return "does not name the file: " + ending.text;
  return "";
}

int check_cases(const fs::path& folder) {
  int num_faults = 0, num_cases = 0;
  for (const Json& given : read_json_file((folder / "cases.json").string())) {
    const auto path = given["path"].get<std::string>();
    const std::string fault = fault_of(given, ending_of(folder / path));
    ++num_cases;
    if (fault.empty()) continue;
    ++num_faults;
    std::cerr << path << ": " << fault.substr(0, 2000) << "\n";
  }
  std::cerr << num_cases << " cases, " << num_faults << " that ended otherwise than they should\n";
  return num_faults == 0 && num_cases > 0 ? 0 : 1;
}

int check_prefixes(const fs::path& file) {
  const std::string whole = read_file(file);
  const fs::path cut = file.parent_path() / ("cut_" + file.filename().string());
  int num_accepted = 0;
  for (size_t length = 0; length < whole.size(); ++length) {
    std::ofstream(cut, std::ios::binary) << whole.substr(0, length);
    if (ending_of(cut).refused) continue;
    ++num_accepted;
    std::cerr << file.string() << ": the first " << length << " bytes were accepted\n";
  }
  std::cerr << file.string() << ": " << whole.size() << " prefixes, " << num_accepted << " accepted\n";
  return num_accepted == 0 && !whole.empty() ? 0 : 1;
}

int read_paths(const std::vector<std::string>& paths) {
  int exit_code = 0;
  for (const std::string& path : paths) {
    const Ending ending = ending_of(path);
    if (ending.refused) {
      exit_code = 65;
      std::cerr << ending.text << "\n";
    }
  }
  return exit_code;
}

int run(const std::vector<std::string>& words) {
  log::configure(log::Level::error, "never");
  if (words.empty()) {
    std::cerr << "usage: read_model PATH... | --cases FOLDER | --prefixes FILE...\n";
    return 2;
  }
  if (words[0] == "--cases" && words.size() == 2) return check_cases(words[1]);
  if (words[0] != "--prefixes") return read_paths(words);
  int exit_code = words.size() > 1 ? 0 : 2;
  for (size_t i = 1; i < words.size(); ++i) exit_code = std::max(exit_code, check_prefixes(words[i]));
  return exit_code;
}

}  // namespace
}  // namespace distill::test

int main(int argc, char** argv) { return distill::test::run({argv + 1, argv + argc}); }
