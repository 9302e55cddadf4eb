// Runs the built program as a user does: arguments, a working folder, what it prints, how it ends.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace distill::test {

struct Outcome {
  int exit_code = -1;  // 128 + signal when a signal ended it, as a shell says
  bool timed_out = false;
  double seconds = 0;      // from start to end
  double cpu_seconds = 0;  // of all its threads: says what it took, whatever else the machine does
  std::string out, err;
  uint64_t peak_rss_bytes = 0;
};

struct Command {
  std::vector<std::string> arguments;
  std::filesystem::path folder;                                  // working folder
  std::string input;                                             // stdin
  std::vector<std::pair<std::string, std::string>> environment;  // added to ours
  uint64_t max_file_bytes = 0;                                   // RLIMIT_FSIZE; 0 = none
  uint64_t max_mapped_bytes = 0;                                 // RLIMIT_AS, as `ulimit -v`; 0 = none
  double timeout_seconds = 120;
  // Asked every few milliseconds; the first time it is true, `signal` is sent.
  std::function<bool()> signal_when;
  int signal = 0;
};

Outcome run_process(const Command& command);

// A folder that vanishes with its owner; the program runs in it.
class Workplace {
 public:
  Workplace();
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  void write(const std::string& name, const std::string& text) const;
  std::string read(const std::string& name) const;
  bool has(const std::string& name) const { return std::filesystem::exists(file(name)); }

  Command command(std::vector<std::string> arguments) const;
  Outcome run(std::vector<std::string> arguments) const { return run_process(command(std::move(arguments))); }

 private:
  std::filesystem::path path_;
};

}  // namespace distill::test
