// A generated corpus of input that must be refused, each case by a fresh process as a user would start it: exit code 65, a
// message that names the file and the fault, nothing run, nothing written, little memory.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "distill/core/json_reader.h"

#include "system/process.h"

namespace distill::test {

struct MalformedCase {
  std::string path, verb;
  std::vector<std::string> says;  // words of the refusal, besides the path
  bool valid = false;
  Json given;  // the whole entry of cases.json
};

struct MalformedEnding {
  MalformedCase given;
  Outcome outcome;
  std::string fault;  // "" when it ended as it should
};

class MalformedCorpus : public testing::Test {
 protected:
  // Runs scripts/goldens/`script` into the workplace's `folder`. A process for each of the hundreds of cases takes minutes: of
  // the groups that are not in `whole_groups` every `every`-th is taken, unless DISTILL_ALL_MALFORMED is set. Sound cases always
  // are.
  void generate(const std::string& script, const std::string& folder, const std::vector<std::string>& whole_groups, size_t every);
  // How to open the case; `output` is a name for what must not come into being.
  virtual Command command_for(const MalformedCase& given, const std::string& output) const = 0;
  // Those that must open, or those that must not. Two at a time: most of a case is the start of the program.
  std::vector<MalformedEnding> run_all(bool valid) const;
  static void report(const std::vector<MalformedEnding>& endings);
  void print_extremes(const std::vector<MalformedEnding>& endings, const std::string& what) const;

  Workplace place;
  std::vector<MalformedCase> cases;
  double hang_seconds = 20;
  double most_cpu_seconds = 0;  // 0: as many as it takes

 private:
  std::string fault_of(const MalformedCase& given, const Outcome& outcome, const std::string& output) const;
  std::string folder_;
  uint64_t start_bytes_ = 0;
};

}  // namespace distill::test
