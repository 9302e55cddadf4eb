// Reads /proc/meminfo and the cgroup's files. https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.max, memory.current),
// https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
#include "distill/plan/hardware.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace distill {
namespace {

namespace fs = std::filesystem;

// The number behind `word` at the start of a line.
std::optional<int64_t> number_behind(const fs::path& file, const std::string& word) {
  std::ifstream text(file);
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    std::string first;
    int64_t number = 0;
    if (words >> first >> number && first == word) return number;
  }
  return std::nullopt;
}

// nullopt for `max`, too.
std::optional<int64_t> number_in(const fs::path& file) {
  std::ifstream text(file);
  int64_t number = 0;
  return text >> number ? std::optional(number) : std::nullopt;
}

// Where the kernel shows a kind of cgroups, and the names of its files.
struct CgroupFiles {
  std::string controllers;  // as in /proc/self/cgroup
  fs::path mount;
  const char *limit, *usage, *droppable;
};

// The process's path below the mount. `7:memory:/a/b`, or `0::/a/b` for version 2.
std::optional<std::string> cgroup_path(const fs::path& root, const std::string& controllers) {
  std::ifstream text(root / "proc/self/cgroup");
  for (std::string line; std::getline(text, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    if (line.substr(first + 1, second - first - 1) == controllers) return line.substr(second + 1);
  }
  return std::nullopt;
}

std::optional<int64_t> left_in(const CgroupFiles& files, const fs::path& folder) {
  const auto limit = number_in(folder / files.limit), usage = number_in(folder / files.usage);
  if (!limit || !usage) return std::nullopt;
  return std::max<int64_t>(0, *limit - *usage + number_behind(folder / "memory.stat", files.droppable).value_or(0));
}

// The tightest limit from the process's own group up; a container may see only the top.
std::optional<int64_t> left_in_cgroups(const CgroupFiles& files, const fs::path& root) {
  const auto path = cgroup_path(root, files.controllers);
  if (!path) return std::nullopt;
  std::optional<int64_t> least;
  for (fs::path below = fs::path(*path).relative_path();; below = below.parent_path()) {
    const auto left = left_in(files, root / files.mount / below);
    if (left) least = std::min(least.value_or(*left), *left);
    if (below.empty()) return least;
  }
}

// `ulimit -v`, less what is mapped already.
std::optional<int64_t> left_of_addresses(const fs::path& root) {
  rlimit limit{};
  const auto mapped_pages = number_in(root / "proc/self/statm");
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || !mapped_pages) return std::nullopt;
  return std::max<int64_t>(0, static_cast<int64_t>(limit.rlim_cur) - *mapped_pages * sysconf(_SC_PAGESIZE));
}

}  // namespace

int64_t free_host_bytes(const fs::path& root) {
  int64_t free = 1024 * number_behind(root / "proc/meminfo", "MemAvailable:").value_or(0);
  const CgroupFiles kinds[] = {
      {"", "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"},
      {"memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}};
  for (const CgroupFiles& files : kinds)
    if (const auto left = left_in_cgroups(files, root)) free = free > 0 ? std::min(free, *left) : *left;
  return std::min(free, left_of_addresses(root).value_or(free));
}

int64_t free_disk_bytes(const fs::path& path) {
  std::error_code error;
  for (fs::path folder = fs::absolute(path, error); !error; folder = folder.parent_path()) {
    struct statvfs facts {};
    if (statvfs(folder.c_str(), &facts) == 0) return static_cast<int64_t>(facts.f_bavail) * static_cast<int64_t>(facts.f_frsize);
    if (folder == folder.root_path() || folder.empty()) break;
  }
  return 0;
}

}  // namespace distill
