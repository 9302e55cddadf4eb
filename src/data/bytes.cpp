#include "distill/data/bytes.h"

#include <algorithm>
#include <string>
#include <utility>

#include "distill/core/error.h"
#include "distill/core/file.h"

#include "compressed_bytes.h"

namespace distill {
namespace {

class PlainBytes : public ByteSource {
 public:
  explicit PlainBytes(const fs::path& path) : file_(path) {}

  size_t read(char* into, size_t count) override {
    const uint64_t taken = std::min<uint64_t>(count, file_.size() - offset_);
    file_.read_at(offset_, into, taken);
    offset_ += taken;
    return static_cast<size_t>(taken);
  }

  void seek(uint64_t byte) override {
    if (byte > file_.size()) {
      throw InputError({file_.path().string(), "at least " + std::to_string(byte) + " bytes", std::to_string(file_.size()),
                        "The file was cut since it was read last: copy it again.", ""});
    }
    offset_ = byte;
  }

  int64_t bytes_read() const override { return static_cast<int64_t>(offset_); }
  int64_t total_bytes() const override { return static_cast<int64_t>(file_.size()); }

 private:
  ReadFile file_;
  uint64_t offset_ = 0;
};

constexpr std::pair<std::string_view, Compression> kMagics[] = {{"\x1f\x8b\x08", Compression::gzip},
                                                                {"\x28\xb5\x2f\xfd", Compression::zstd},
                                                                {{"\xfd"
                                                                  "7zXZ\0",
                                                                  6},
                                                                 Compression::xz},
                                                                {"BZh", Compression::bzip2}};
// What follows "BZh" and the size of its blocks: the first block, or the end of an empty file.
constexpr std::string_view kBzipBlocks[] = {"1AY&SY", "\x17rE8P\x90"};

bool is_bzip(std::string_view start) {
  return start.size() == 10 &&
         std::find(std::begin(kBzipBlocks), std::end(kBzipBlocks), start.substr(4)) != std::end(kBzipBlocks);
}

}  // namespace

std::string_view name_of(Compression compression) {
  switch (compression) {
    case Compression::gzip:
      return "gzip";
    case Compression::zstd:
      return "Zstandard";
    case Compression::xz:
      return "xz";
    case Compression::bzip2:
      return "bzip2";
  }
  throw Bug("a compression of no name");
}

std::optional<Compression> compression_of(const fs::path& path) {
  const ReadFile file(path);
  std::string start(std::min<uint64_t>(10, file.size()), '\0');
  file.read_at(0, start.data(), start.size());
  for (const auto& [magic, compression] : kMagics)
    if (start.starts_with(magic) && (compression != Compression::bzip2 || is_bzip(start))) return compression;
  return std::nullopt;
}

bool is_packed(const fs::path& path) { return compression_of(path).has_value(); }

std::unique_ptr<ByteSource> open_bytes(const fs::path& path) {
  if (const std::optional<Compression> compression = compression_of(path)) return open_compressed(path, *compression);
  return std::make_unique<PlainBytes>(path);
}

}  // namespace distill
