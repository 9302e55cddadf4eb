// Zstandard, xz and bzip2 through libarchive; several frames or streams one after another are one text.
#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <memory>

#include "distill/core/error.h"

#include "compressed_bytes.h"

namespace distill {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 16;

int filter_of(Compression compression) {
  switch (compression) {
    case Compression::zstd:
      return ARCHIVE_FILTER_ZSTD;
    case Compression::xz:
      return ARCHIVE_FILTER_XZ;
    case Compression::bzip2:
      return ARCHIVE_FILTER_BZIP2;
    case Compression::gzip:
      break;
  }
  throw Bug("a compression of no filter");
}

class ArchiveBytes : public CompressedBytes {
 public:
  ArchiveBytes(const fs::path& path, Compression compression)
      : CompressedBytes(path, compression), filter_(filter_of(compression)) {
    restart();
  }

  int64_t bytes_read() const override { return std::min<int64_t>(archive_filter_bytes(archive_.get(), -1), total_bytes()); }

 protected:
  void restart() override {
    archive_.reset(archive_read_new());
    archive* reading = archive_.get();
    if (!reading || archive_read_append_filter(reading, filter_) != ARCHIVE_OK ||
        archive_read_support_format_raw(reading) != ARCHIVE_OK || archive_read_support_format_empty(reading) != ARCHIVE_OK)
      fail();
    // Opening reads the first bytes. A stream that breaks there is noted but then taken for an empty one.
    if (archive_read_open_filename(reading, file().path().c_str(), kBlockBytes) != ARCHIVE_OK || archive_errno(reading) != 0)
      fail();
    archive_entry* entry = nullptr;
    const int found = archive_read_next_header(reading, &entry);
    if (found != ARCHIVE_OK && found != ARCHIVE_EOF) fail();
    empty_ = found == ARCHIVE_EOF;
  }

  size_t decompress(char* into, size_t count) override {
    const la_ssize_t got = empty_ ? 0 : archive_read_data(archive_.get(), into, count);
    if (got < 0 || (got == 0 && archive_errno(archive_.get()) != 0)) fail();
    if (got == 0) expect_end(static_cast<uint64_t>(archive_filter_bytes(archive_.get(), -1)));
    return static_cast<size_t>(got);
  }

 private:
  struct Close {
    void operator()(archive* reading) const { archive_read_free(reading); }
  };

  [[noreturn]] void fail() const {
    const char* reason = archive_ ? archive_error_string(archive_.get()) : nullptr;
    refuse(reason ? reason : "a broken stream");
  }

  int filter_;
  bool empty_ = false;
  std::unique_ptr<archive, Close> archive_;
};

}  // namespace

std::unique_ptr<ByteSource> open_archive(const fs::path& path, Compression compression) {
  return std::make_unique<ArchiveBytes>(path, compression);
}

}  // namespace distill
