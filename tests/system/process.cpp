#include "system/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "paths.h"

namespace distill::test {
namespace {

namespace fs = std::filesystem;

double now_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double seconds_of(const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; }

// In the child: becomes the program. Files stand for the pipes, so that no side can block the other.
[[noreturn]] void become(const Command& command, const fs::path& in, const fs::path& out, const fs::path& err) {
  if (::chdir(command.folder.c_str()) != 0) ::_exit(126);
  ::dup2(::open(in.c_str(), O_RDONLY), 0);
  ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
  ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
  for (const auto& [name, value] : command.environment) ::setenv(name.c_str(), value.c_str(), 1);
  for (const auto& [resource, bytes] :
       {std::pair(RLIMIT_FSIZE, command.max_file_bytes), std::pair(RLIMIT_AS, command.max_mapped_bytes)})
    if (const struct rlimit limit{bytes, bytes}; bytes > 0) ::setrlimit(resource, &limit);
  const std::string program = distill_binary().string();
  std::vector<char*> words = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : command.arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(program.c_str(), words.data());
  ::_exit(127);
}

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Outcome run_process(const Command& command) {
  const Workplace pipes;
  pipes.write("in", command.input);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) become(command, pipes.file("in"), pipes.file("out"), pipes.file("err"));

  Outcome outcome;
  int status = 0;
  bool signalled = false;
  struct rusage usage {};
  const double start = now_seconds(), deadline = start + command.timeout_seconds;
  while (::wait4(child, &status, WNOHANG, &usage) == 0) {
    if (command.signal != 0 && !signalled && command.signal_when()) {
      ::kill(child, command.signal);
      signalled = true;
    }
    if (now_seconds() > deadline) {
      outcome.timed_out = true;
      ::kill(child, SIGKILL);
      ::wait4(child, &status, 0, &usage);
      break;
    }
    ::poll(nullptr, 0, 5);
  }
  outcome.seconds = now_seconds() - start;
  outcome.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.peak_rss_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
  outcome.out = contents(pipes.file("out"));
  outcome.err = contents(pipes.file("err"));
  return outcome;
}

Workplace::Workplace() {
  std::string name = (fs::temp_directory_path() / "distill-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder at " + name);
  path_ = name;
}

Workplace::~Workplace() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void Workplace::write(const std::string& name, const std::string& text) const {
  fs::create_directories(file(name).parent_path());
  std::ofstream(file(name), std::ios::binary) << text;
}

std::string Workplace::read(const std::string& name) const { return contents(file(name)); }

Command Workplace::command(std::vector<std::string> arguments) const {
  Command command;
  command.arguments = std::move(arguments);
  command.folder = path_;
  return command;
}

}  // namespace distill::test
