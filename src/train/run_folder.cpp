#include "distill/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <system_error>

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/log.h"

namespace distill {
namespace {

constexpr const char* kPrefix = "step-";
constexpr const char* kManifest = "manifest.json";

std::string step_name(int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "%s%08lld", kPrefix, static_cast<long long>(step));
  return name;
}

void move_aside(const fs::path& path) {
  if (!fs::exists(path)) return;
  fs::path base = path;
  if (base.filename().empty()) base = base.parent_path();
  for (int n = 1;; ++n) {
    const fs::path target = base.string() + ".old-" + std::to_string(n);
    if (fs::exists(target)) continue;
    rename_durably(base, target);
    log::info("moved the old run to " + target.string());
    return;
  }
}

int take_lock(const fs::path& path) {
  const fs::path file = path / ".lock";
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0)
    throw CreateError({path.string(), "an output folder that can be written to", std::generic_category().message(errno),
                       "Choose another `output`.", ""});
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(descriptor);
    throw CreateError({path.string(), "no other run in this folder", "a process that trains in it",
                       "Wait for it, stop it, or choose another `output`.", ""});
  }
  return descriptor;  // file systems without locks answer otherwise: training there works, only unguarded
}

Json make_manifest(const fs::path& folder, int64_t step) {
  Json manifest = {{"format", 1}, {"step", step}, {"files", Json::array()}};
  for (const auto& entry : fs::directory_iterator(folder)) {
    manifest["files"].push_back({{"name", entry.path().filename().string()},
                                 {"bytes", fs::file_size(entry.path())},
                                 {"sha256", sha256_file(entry.path())}});
  }
  return manifest;
}

// Why the checkpoint cannot be used; empty when it can.
std::string problem_of(const fs::path& folder) {
  try {
    const std::string where = (folder / kManifest).string();
    const Json manifest = read_json_file(where);
    for (const Json& file : json_member(manifest, "files", where)) {
      const fs::path path = folder / fs::path(json_string(file, "name", where)).filename();
      if (!fs::is_regular_file(path)) return path.filename().string() + " is missing";
      if (static_cast<int64_t>(fs::file_size(path)) != json_int(file, "bytes", where))
        return path.filename().string() + " has another size";
      if (sha256_file(path) != json_string(file, "sha256", where)) return path.filename().string() + " has another content";
    }
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

RunFolder RunFolder::open(const fs::path& path, bool fresh) {
  if (fresh) {
    if (fs::exists(path)) ::close(take_lock(path));  // refuses to move a run that is alive
    move_aside(path);
  }
  make_folders(path / "checkpoints");
  return RunFolder(path, take_lock(path));
}

RunFolder::RunFolder(RunFolder&& other) noexcept : path_(std::move(other.path_)), lock_(other.lock_) { other.lock_ = -1; }

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

std::vector<Checkpoint> RunFolder::checkpoints() const {
  std::vector<Checkpoint> found;
  for (const auto& entry : fs::directory_iterator(path_ / "checkpoints")) {
    const std::string name = entry.path().filename().string();
    const std::string digits = name.substr(std::min(name.size(), std::string(kPrefix).size()));
    if (!name.starts_with(kPrefix) || digits.empty() || digits.size() > 15) continue;
    if (digits.find_first_not_of("0123456789") != std::string::npos) continue;
    found.push_back({std::stoll(digits), entry.path()});
  }
  std::sort(found.begin(), found.end(), [](const Checkpoint& a, const Checkpoint& b) { return a.step < b.step; });
  return found;
}

std::optional<Checkpoint> RunFolder::newest_checkpoint() const {
  std::vector<Checkpoint> found = checkpoints();
  for (; !found.empty(); found.pop_back()) {
    const std::string problem = problem_of(found.back().path);
    if (problem.empty()) return found.back();
    log::warn(found.back().path.string() + " cannot be used: " + problem + "; taking the one before");
  }
  return std::nullopt;
}

Checkpoint RunFolder::save_checkpoint(int64_t step, int64_t keep, const std::function<void(const fs::path&)>& write) const {
  const fs::path folder = path_ / "checkpoints";
  const fs::path target = folder / step_name(step);
  const fs::path temporary = folder / (".tmp-" + step_name(step));
  fs::remove_all(temporary);
  try {
    make_folders(temporary);
    write(temporary);
    const std::string manifest = make_manifest(temporary, step).dump(2) + "\n";
    WriteFile file(temporary / kManifest);
    file.write(manifest);
    file.close();
    sync_folder(temporary);
    if (fs::exists(target)) rename_durably(target, folder / (".trash-" + step_name(step)));  // an invalid one of the same step
    rename_durably(temporary, target);
  } catch (...) {
    std::error_code ignored;  // the error that is on its way says more
    fs::remove_all(temporary, ignored);
    throw;
  }
  prune(step, keep);
  return {step, target};
}

void RunFolder::prune(int64_t newest_step, int64_t keep) const {
  std::vector<Checkpoint> found = checkpoints();
  // What lies beyond the checkpoint that was just written could not be used when the run was taken up: it must not count.
  const auto beyond =
      std::partition_point(found.begin(), found.end(), [&](const Checkpoint& one) { return one.step <= newest_step; });
  const auto usable = beyond - found.begin();
  for (std::ptrdiff_t i = 0; i < std::ssize(found); ++i) {
    if (i >= usable - keep && i < usable) continue;
    const fs::path& path = found[static_cast<size_t>(i)].path;
    rename_durably(path, path.parent_path() / (".trash-" + path.filename().string()));
  }
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(path_ / "checkpoints")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".trash-") || name.starts_with(".tmp-")) leftovers.push_back(entry.path());
  }
  for (const fs::path& path : leftovers) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) log::warn("could not remove " + path.string() + ": " + error.message());
  }
}

}  // namespace distill
