#include "compressed_bytes.h"

#include <algorithm>
#include <vector>

#include "distill/core/error.h"
#include "distill/core/stop.h"

namespace distill {
namespace {

constexpr size_t kSkipBytes = size_t{1} << 18;

}  // namespace

CompressedBytes::CompressedBytes(const fs::path& path, Compression compression) : file_(path), compression_(compression) {}

size_t CompressedBytes::read(char* into, size_t count) {
  if (at_end_ || count == 0) return 0;
  const size_t got = decompress(into, count);
  offset_ += got;
  at_end_ = got == 0;
  return got;
}

void CompressedBytes::seek(uint64_t byte) {
  if (byte < offset_) {
    restart();
    offset_ = 0;
    at_end_ = false;
  }
  std::vector<char> skipped(kSkipBytes);
  while (offset_ < byte) {
    check_stop();
    if (read(skipped.data(), std::min<uint64_t>(skipped.size(), byte - offset_)) == 0) {
      throw InputError({file_.path().string(), "at least " + std::to_string(byte) + " bytes of text", std::to_string(offset_),
                        "The file was changed since it was read last: copy it again.", ""});
    }
  }
}

void CompressedBytes::refuse(const std::string& found) const {
  throw InputError({file_.path().string(), "whole compressed data (" + std::string(name_of(compression_)) + ")",
                    found + (offset_ > 0 ? ", after " + std::to_string(offset_) + " bytes of text" : ""),
                    "It was cut or damaged: copy or download it again.", ""});
}

void CompressedBytes::expect_end(uint64_t end) const {
  if (end < file_.size()) refuse("other bytes from byte " + std::to_string(end) + " of " + std::to_string(file_.size()) + " on");
}

std::unique_ptr<ByteSource> open_compressed(const fs::path& path, Compression compression) {
  return compression == Compression::gzip ? open_gzip(path) : open_archive(path, compression);
}

}  // namespace distill
