// The bytes of a data file from front to back, with the packing of gzip, Zstandard, xz and bzip2 taken off.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

namespace distill {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills up to `count` bytes and returns how many; 0 at the end. InputError names the file.
  virtual size_t read(char* into, size_t count) = 0;
  // The next byte that read() gives. InputError when the file ends before.
  virtual void seek(uint64_t byte) = 0;
  // Of the file on disk, for progress.
  virtual int64_t bytes_read() const = 0;
  virtual int64_t total_bytes() const = 0;
};

// By the first bytes, whatever the name says. InputError when the file is missing or not a regular file.
bool is_packed(const std::filesystem::path& path);
std::unique_ptr<ByteSource> open_bytes(const std::filesystem::path& path);

}  // namespace distill
