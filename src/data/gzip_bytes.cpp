// gzip through zlib, which compares lengths and checksums; libarchive does not.
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "compressed_bytes.h"

namespace distill {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 16;
constexpr int kGzipOnly = MAX_WBITS + 16;  // of inflateInit2: a gzip header, not one of zlib
constexpr size_t kMaxPiece = std::numeric_limits<uInt>::max();

class GzipBytes : public CompressedBytes {
 public:
  explicit GzipBytes(const fs::path& path) : CompressedBytes(path, Compression::gzip), block_(kBlockBytes) {
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) refuse("no memory to decompress it");
  }
  ~GzipBytes() override { inflateEnd(&stream_); }

  int64_t bytes_read() const override { return static_cast<int64_t>(next_block_ - stream_.avail_in); }

 protected:
  void restart() override {
    next_block_ = 0;
    stream_.avail_in = 0;
    in_member_ = true;
    inflateReset(&stream_);
  }

  size_t decompress(char* into, size_t count) override {
    stream_.next_out = reinterpret_cast<Bytef*>(into);
    stream_.avail_out = static_cast<uInt>(std::min(count, kMaxPiece));
    const uInt wanted = stream_.avail_out;
    while (stream_.avail_out == wanted) {
      if (stream_.avail_in == 0 && !fill()) {
        if (in_member_) refuse("its end in the middle of a member");
        return 0;
      }
      if (!in_member_) start_member();
      const int outcome = inflate(&stream_, Z_NO_FLUSH);
      if (outcome == Z_STREAM_END)
        in_member_ = false;
      else if (outcome != Z_OK)
        refuse(stream_.msg ? stream_.msg : "a broken stream");
    }
    return wanted - stream_.avail_out;
  }

 private:
  // Members follow each other, as `cat a.gz b.gz` and bgzip write them.
  void start_member() {
    if (stream_.next_in[0] != 0x1f) expect_end(static_cast<uint64_t>(bytes_read()));
    inflateReset(&stream_);
    in_member_ = true;
  }

  bool fill() {
    const uint64_t count = std::min<uint64_t>(block_.size(), file().size() - next_block_);
    file().read_at(next_block_, block_.data(), count);
    next_block_ += count;
    stream_.next_in = block_.data();
    stream_.avail_in = static_cast<uInt>(count);
    return count > 0;
  }

  std::vector<Bytef> block_;
  uint64_t next_block_ = 0;
  z_stream stream_{};
  bool in_member_ = true;
};

}  // namespace

std::unique_ptr<ByteSource> open_gzip(const fs::path& path) { return std::make_unique<GzipBytes>(path); }

}  // namespace distill
