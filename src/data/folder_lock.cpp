#include "folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "distill/core/error.h"
#include "distill/core/log.h"
#include "distill/core/stop.h"

namespace distill {
namespace {

constexpr const char* kLock = ".lock";
constexpr const char* kRemoved = ".removed-";
constexpr size_t kKeyDigits = 16;  // of the folders' names, so that nobody else's go

// -1 when the folder went away meanwhile.
int open_lock(const fs::path& folder) {
  const int descriptor = ::open((folder / kLock).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor >= 0 || errno == ENOENT) return descriptor;
  throw CreateError({folder.string(), "a folder that can be written to", std::generic_category().message(errno),
                     "Set data.prepared to a folder of your own, or to `none`.", ""});
}

// Other answers than EWOULDBLOCK come from file systems without locks: there it goes on unguarded, as a run does.
void wait_for(int descriptor, const std::string& label) {
  bool said = false;
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    if (!std::exchange(said, true)) log::info(label + ": waiting for another process that prepares the same rows");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    check_stop();
  }
}

bool is_at(int descriptor, const fs::path& path) {
  struct stat held {
  }, there{};
  return ::fstat(descriptor, &held) == 0 && ::stat(path.c_str(), &there) == 0 && held.st_dev == there.st_dev &&
         held.st_ino == there.st_ino;
}

// Held until it goes; -1 when it is not to be had.
class TriedLock {
 public:
  explicit TriedLock(const fs::path& file) : descriptor_(::open(file.c_str(), O_RDWR | O_CLOEXEC)) {
    if (descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  ~TriedLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  TriedLock(const TriedLock&) = delete;
  TriedLock& operator=(const TriedLock&) = delete;
  bool taken() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

}  // namespace

FolderLock::FolderLock(const fs::path& folder, const std::string& label) {
  while (true) {
    make_folders(folder);
    descriptor_ = open_lock(folder);
    if (descriptor_ < 0) continue;
    try {
      wait_for(descriptor_, label);
    } catch (...) {
      ::close(descriptor_);
      throw;
    }
    if (is_at(descriptor_, folder / kLock)) return;
    ::close(descriptor_);
  }
}

FolderLock::~FolderLock() { ::close(descriptor_); }

bool remove_folder(const fs::path& folder) {
  const fs::path aside = folder.string() + kRemoved + std::to_string(::getpid());
  std::error_code error;
  fs::rename(folder, aside, error);
  if (!error) fs::remove_all(aside, error);
  return !error;
}

bool remove_if_unused(const fs::path& folder, const std::string& file) {
  const TriedLock nobody_prepares(folder / kLock), nobody_reads(folder / file);
  return nobody_prepares.taken() && nobody_reads.taken() && remove_folder(folder);
}

void remove_leftovers(const fs::path& place) {
  std::vector<fs::path> found;
  std::error_code ignored;  // another process may be at it, and the next preparation tries again
  for (const auto& entry : fs::directory_iterator(place, ignored))
    if (entry.path().filename().string().find(kRemoved) == kKeyDigits) found.push_back(entry.path());
  for (const fs::path& path : found) fs::remove_all(path, ignored);
}

}  // namespace distill
