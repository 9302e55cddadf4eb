// The bytes of a data file from front to back, decompressed on the way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

namespace distill {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills up to `count` bytes and returns how many; 0 at the end. InputError names the file, and what is broken in a compressed
  // one.
  virtual size_t read(char* into, size_t count) = 0;
  // The next byte that read() gives, counted in what the file holds: a compressed file is decompressed up to there again.
  // InputError when the file ends before.
  virtual void seek(uint64_t byte) = 0;
  // Of the file on disk, for progress.
  virtual int64_t bytes_read() const = 0;
  virtual int64_t total_bytes() const = 0;
};

enum class Compression { gzip, zstd, xz, bzip2 };
std::string_view name_of(Compression compression);
// By the first bytes. Neither text in UTF-8 nor JSON begins like a compressed file.
std::optional<Compression> compression_of(const std::filesystem::path& path);

// Decompresses what is compressed, whatever its name. InputError when the file is missing or not a regular file.
std::unique_ptr<ByteSource> open_bytes(const std::filesystem::path& path);
std::unique_ptr<ByteSource> open_compressed(const std::filesystem::path& path, Compression compression);

}  // namespace distill
