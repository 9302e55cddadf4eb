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
#include "distill/core/log.h"

#include "fuzz/corpus_cases.h"
#include "fuzz/read_everything.h"

namespace distill::test {
namespace {

Ending ending_of_model(const fs::path& path) {
  return ending_of([&] { read_everything(path); });
}

int check_prefixes(const fs::path& file) {
  const std::string whole = read_file(file);
  const fs::path cut = file.parent_path() / ("cut_" + file.filename().string());
  int num_accepted = 0;
  for (size_t length = 0; length < whole.size(); ++length) {
    std::ofstream(cut, std::ios::binary) << whole.substr(0, length);
    if (ending_of_model(cut).refused) continue;
    ++num_accepted;
    std::cerr << file.string() << ": the first " << length << " bytes were accepted\n";
  }
  std::cerr << file.string() << ": " << whole.size() << " prefixes, " << num_accepted << " accepted\n";
  return num_accepted == 0 && !whole.empty() ? 0 : 1;
}

int read_paths(const std::vector<std::string>& paths) {
  int exit_code = 0;
  for (const std::string& path : paths) {
    const Ending ending = ending_of_model(path);
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
  if (words[0] == "--cases" && words.size() == 2) {
    const fs::path folder = words[1];
    return check_cases(folder, [&](const Json& given) { read_everything(folder / given["path"].get<std::string>()); });
  }
  if (words[0] != "--prefixes") return read_paths(words);
  int exit_code = words.size() > 1 ? 0 : 2;
  for (size_t i = 1; i < words.size(); ++i) exit_code = std::max(exit_code, check_prefixes(words[i]));
  return exit_code;
}

}  // namespace
}  // namespace distill::test

int main(int argc, char** argv) { return distill::test::run({argv + 1, argv + argc}); }
