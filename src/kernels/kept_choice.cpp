#include "distill/kernels/kept_choice.h"

#include <unistd.h>

#include <torch/headeronly/version.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include "distill/core/file.h"

namespace distill::gemm {
namespace {

std::optional<Maker> read_choice(const fs::path& file) {
  std::string word;
  std::ifstream(file) >> word;
  const auto maker = enum_value<Maker>(word);
  return maker == Maker::undecided ? std::nullopt : maker;
}

// Whether there is a file with a whole word afterwards, ours or another process's.
bool write_choice(const fs::path& file, Maker maker) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  const fs::path written = file.string() + "." + std::to_string(getpid());
  {
    std::ofstream out(written);
    out << enum_name(maker) << "\n";
    if (!out.flush()) return false;
  }
  fs::create_hard_link(written, file, error);  // leaves a file that is there alone
  fs::remove(written, error);
  return fs::exists(file, error);
}

std::string cpu_name() {
  std::ifstream facts("/proc/cpuinfo");
  for (std::string line; std::getline(facts, line);)
    if (line.rfind("model name", 0) == 0) return line;
  return "";
}

}  // namespace

Maker kept_choice(const fs::path& file, const std::function<Maker()>& measure, Maker otherwise) {
  if (file.empty()) return otherwise;
  if (const auto before = read_choice(file)) return *before;
  std::error_code error;
  fs::remove(file, error);  // what cannot be read
  if (!write_choice(file.string() + ".probe", otherwise)) return otherwise;
  fs::remove(file.string() + ".probe", error);
  if (!write_choice(file, measure())) return otherwise;
  return read_choice(file).value_or(otherwise);
}

fs::path choice_file(int num_threads) {
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  fs::path folder;
  if (cache && *cache)
    folder = cache;
  else if (home && *home)
    folder = fs::path(home) / ".cache";
  else
    return {};
  const std::string torch = std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR);
  const std::string machine = cpu_name() + " " + std::to_string(num_threads) + " " + torch;
  return folder / "distill" / ("products-" + std::to_string(hash_text(machine)));
}

}  // namespace distill::gemm
