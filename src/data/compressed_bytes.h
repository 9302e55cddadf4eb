// What readers of compressed files share: going forward by decompressing, and the words for a broken stream.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "distill/core/file.h"
#include "distill/data/bytes.h"

namespace distill {

enum class Compression { gzip, zstd, xz, bzip2 };
std::string_view name_of(Compression compression);
// By the first bytes. Neither JSON nor other text in UTF-8 begins like a compressed file.
std::optional<Compression> compression_of(const fs::path& path);
std::unique_ptr<ByteSource> open_compressed(const fs::path& path, Compression compression);

class CompressedBytes : public ByteSource {
 public:
  CompressedBytes(const fs::path& path, Compression compression);
  size_t read(char* into, size_t count) final;
  void seek(uint64_t byte) final;
  int64_t total_bytes() const final { return static_cast<int64_t>(file_.size()); }

 protected:
  virtual void restart() = 0;
  virtual size_t decompress(char* into, size_t count) = 0;  // 0 at the end
  [[noreturn]] void refuse(const std::string& found) const;
  // Refuses what follows the last whole stream at byte `end` of the file.
  void expect_end(uint64_t end) const;
  const ReadFile& file() const { return file_; }

 private:
  ReadFile file_;
  Compression compression_;
  uint64_t offset_ = 0;  // in the text
  bool at_end_ = false;
};

std::unique_ptr<ByteSource> open_gzip(const fs::path& path);
std::unique_ptr<ByteSource> open_archive(const fs::path& path, Compression compression);

}  // namespace distill
