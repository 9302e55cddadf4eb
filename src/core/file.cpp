#include "distill/core/file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "distill/core/error.h"

namespace distill {
namespace {

std::string last_error() { return std::strerror(errno); }

const char* advice_for(int error) {
  if (error == ENOSPC || error == EDQUOT) return "Free some space on that disk and run the same command again.";
  if (error == EACCES || error == EPERM || error == EROFS) return "Choose a folder that you may write to.";
  return "Check the disk and the path, then run the same command again.";
}

using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

Digest start_sha256() {
  Digest digest(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!digest || EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) != 1) throw Bug("SHA-256 is not available");
  return digest;
}

std::string finish_hex(const Digest& digest) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned count = 0;
  EVP_DigestFinal_ex(digest.get(), bytes.data(), &count);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < count; ++i) {
    hex += kDigits[bytes[i] >> 4];
    hex += kDigits[bytes[i] & 15];
  }
  return hex;
}

// Reads `count` bytes at `offset`, however many calls that takes.
void read_exactly(int descriptor, const fs::path& path, uint64_t offset, void* into, uint64_t count) {
  auto* bytes = static_cast<char*>(into);
  while (count > 0) {
    const ssize_t got = ::pread(descriptor, bytes, std::min<uint64_t>(count, uint64_t{1} << 30), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      throw InputError({path.string(), std::to_string(count) + " bytes at offset " + std::to_string(offset),
                        got == 0 ? "the end of the file" : last_error(),
                        "The file was cut or changed while it was read: copy it again.", ""});
    }
    bytes += got;
    offset += static_cast<uint64_t>(got);
    count -= static_cast<uint64_t>(got);
  }
}

}  // namespace

ReadFile::ReadFile(const fs::path& path) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0)
    throw InputError({path.string(), "a readable file", last_error(), "Check the path and its permissions.", ""});
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor_);
    throw InputError(
        {path.string(), "a regular file", S_ISDIR(info.st_mode) ? "a folder" : "something else", "Name the file itself.", ""});
  }
  size_ = static_cast<uint64_t>(info.st_size);
}

ReadFile::~ReadFile() { ::close(descriptor_); }

void ReadFile::read_at(uint64_t offset, void* into, uint64_t count) const {
  read_exactly(descriptor_, path_, offset, into, count);
}

std::string read_file(const fs::path& path, uint64_t max_bytes) {
  const ReadFile file(path);
  if (file.size() > max_bytes) {
    throw InputError({path.string(), "at most " + std::to_string(max_bytes) + " bytes", std::to_string(file.size()) + " bytes",
                      "Check that this is the right file.", ""});
  }
  std::string contents(file.size(), '\0');
  file.read_at(0, contents.data(), contents.size());
  return contents;
}

WriteFile::WriteFile(const fs::path& path, bool append) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0644);
  if (descriptor_ < 0) {
    const int error = errno;
    const Complaint complaint{path.string(), "a file that can be created", std::strerror(error), advice_for(error), ""};
    if (error == ENOSPC || error == EDQUOT || error == EIO) throw IoError(complaint);
    throw CreateError(complaint);
  }
}

WriteFile::~WriteFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void WriteFile::fail(const std::string& action) const {
  const int error = errno;
  throw IoError({path_.string(), action + " to succeed after " + std::to_string(bytes_written_) + " bytes", std::strerror(error),
                 advice_for(error), ""});
}

void WriteFile::write(const void* data, uint64_t count) {
  const auto* bytes = static_cast<const char*>(data);
  while (count > 0) {
    const ssize_t put = ::write(descriptor_, bytes, std::min<uint64_t>(count, uint64_t{1} << 30));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("writing");
    bytes += put;
    bytes_written_ += static_cast<uint64_t>(put);
    count -= static_cast<uint64_t>(put);
  }
}

void WriteFile::sync() {
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != ENOTSUP) fail("syncing");  // a pipe cannot be synced
}

void WriteFile::close() {
  sync();
  const int descriptor = descriptor_;
  descriptor_ = -1;
  if (::close(descriptor) != 0) fail("closing");
}

namespace {

constexpr size_t kAppendBuffer = size_t{1} << 18;

int open_growing(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor >= 0) return descriptor;
  const int error = errno;
  const Complaint complaint{path.string(), "a file that can be created", std::strerror(error), advice_for(error), ""};
  if (error == ENOSPC || error == EDQUOT || error == EIO) throw IoError(complaint);
  throw CreateError(complaint);
}

}  // namespace

GrowingFile::GrowingFile() : path_("memory"), descriptor_(::memfd_create("distill", MFD_CLOEXEC)) {
  if (descriptor_ < 0) fail("taking unnamed memory");
}

GrowingFile::GrowingFile(const fs::path& path) : path_(path), descriptor_(open_growing(path)) {
  const off_t end = ::lseek(descriptor_, 0, SEEK_END);
  if (end < 0) fail("finding the end");
  written_ = static_cast<uint64_t>(end);
}

GrowingFile::GrowingFile(GrowingFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(other.descriptor_), written_(other.written_), buffer_(std::move(other.buffer_)) {
  other.descriptor_ = -1;
}

GrowingFile::~GrowingFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void GrowingFile::fail(const std::string& action) const {
  const int error = errno;
  throw IoError({path_.string(), action + " to succeed at " + std::to_string(written_) + " bytes", std::strerror(error),
                 advice_for(error), ""});
}

void GrowingFile::append(const void* data, uint64_t count) {
  const auto* bytes = static_cast<const char*>(data);
  buffer_.insert(buffer_.end(), bytes, bytes + count);
  if (buffer_.size() >= kAppendBuffer) flush();
}

void GrowingFile::flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t put = ::pwrite(descriptor_, buffer_.data() + done, buffer_.size() - done, static_cast<off_t>(written_));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("writing");
    done += static_cast<size_t>(put);
    written_ += static_cast<uint64_t>(put);
  }
  buffer_.clear();
}

void GrowingFile::sync() {
  flush();
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != ENOTSUP) fail("syncing");  // some mounts cannot
}

void GrowingFile::cut(uint64_t size) {
  flush();
  if (size == written_) return;
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) fail("cutting");
  written_ = size;
}

void GrowingFile::read_at(uint64_t offset, void* into, uint64_t count) const {
  read_exactly(descriptor_, path_, offset, into, count);
}

void GrowingFile::mark_in_use() const { ::flock(descriptor_, LOCK_SH | LOCK_NB); }

void sync_folder(const fs::path& path) {
  const int descriptor = ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // some network folders cannot be opened for syncing; the rename itself has succeeded
  ::fsync(descriptor);
  ::close(descriptor);
}

void rename_durably(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    throw IoError({to.string(), "to take the place of a finished " + from.string(), last_error(), advice_for(errno), ""});
  sync_folder(to.parent_path());
}

void write_file_atomically(const fs::path& path, std::string_view contents) {
  const fs::path temporary = path.string() + ".tmp-" + std::to_string(::getpid());
  try {
    WriteFile file(temporary);
    file.write(contents);
    file.close();
    rename_durably(temporary, path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void make_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error == std::errc::no_space_on_device)
    throw IoError({path.string(), "room for a folder", error.message(), advice_for(ENOSPC), ""});
  if (error || !fs::is_directory(path))
    throw CreateError({path.string(), "a folder that can be created", error ? error.message() : "a file in its place",
                       "Choose another output folder.", ""});
}

std::string sha256_hex(std::string_view bytes) {
  const Digest digest = start_sha256();
  EVP_DigestUpdate(digest.get(), bytes.data(), bytes.size());
  return finish_hex(digest);
}

std::string sha256_file(const fs::path& path) {
  const ReadFile file(path);
  const Digest digest = start_sha256();
  std::vector<char> buffer(1 << 20);
  for (uint64_t offset = 0; offset < file.size(); offset += buffer.size()) {
    const uint64_t count = std::min<uint64_t>(buffer.size(), file.size() - offset);
    file.read_at(offset, buffer.data(), count);
    EVP_DigestUpdate(digest.get(), buffer.data(), count);
  }
  return finish_hex(digest);
}

uint64_t hash_text(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace distill
