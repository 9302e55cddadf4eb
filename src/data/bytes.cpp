#include "distill/data/bytes.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <vector>

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/stop.h"

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

// libarchive takes the packing off; there is no archive inside, only one stream.
class PackedBytes : public ByteSource {
 public:
  explicit PackedBytes(const fs::path& path) : file_(path) { open(); }

  size_t read(char* into, size_t count) override {
    if (at_end_) return 0;
    const la_ssize_t got = archive_read_data(archive_.get(), into, count);
    if (got < 0) fail();
    if (got == 0) finish();
    offset_ += static_cast<uint64_t>(got);
    return static_cast<size_t>(got);
  }

  // Packed bytes cannot be entered in the middle: they are unpacked again from the start.
  void seek(uint64_t byte) override {
    if (byte < offset_) open();
    std::vector<char> passed(size_t{1} << 20);
    while (offset_ < byte) {
      check_stop();
      if (read(passed.data(), std::min<uint64_t>(passed.size(), byte - offset_)) == 0)
        refuse("at least " + std::to_string(byte) + " bytes in it", std::to_string(offset_));
    }
  }

  int64_t bytes_read() const override { return archive_filter_bytes(archive_.get(), -1); }
  int64_t total_bytes() const override { return static_cast<int64_t>(file_.size()); }

 private:
  struct Free {
    void operator()(archive* one) const { archive_read_free(one); }
  };

  void open() {
    archive_.reset(archive_read_new());
    if (!archive_) throw Bug("libarchive gives no reader");
    for (auto* support : {archive_read_support_filter_gzip, archive_read_support_filter_zstd, archive_read_support_filter_xz,
                          archive_read_support_filter_bzip2, archive_read_support_format_raw})
      if (support(archive_.get()) != ARCHIVE_OK) fail();
    constexpr size_t kBlockBytes = size_t{1} << 18;
    if (archive_read_open_filename(archive_.get(), file_.path().c_str(), kBlockBytes) != ARCHIVE_OK) fail();
    archive_entry* entry = nullptr;
    at_end_ = false;
    offset_ = 0;
    const int answer = archive_read_next_header(archive_.get(), &entry);
    if (answer == ARCHIVE_EOF) return finish();
    if (answer != ARCHIVE_OK) fail();
    // A file too short to be recognised would be given as it is.
    if (archive_filter_code(archive_.get(), 0) == ARCHIVE_FILTER_NONE) refuse("compressed data", "its first bytes only");
  }

  // The unpacker stops quietly where something else follows what it knows.
  void finish() {
    at_end_ = true;
    const int64_t rest = total_bytes() - bytes_read();
    if (rest > 0) refuse("compressed data to its end", std::to_string(rest) + " bytes of something else behind it");
  }

  [[noreturn]] void refuse(const std::string& expected, const std::string& found) const {
    throw InputError({file_.path().string(), expected, found,
                      "The file may be cut or mixed with another: take it again from its source.", ""});
  }
  [[noreturn]] void fail() const {
    const char* words = archive_error_string(archive_.get());
    refuse("compressed data",
           (words ? std::string(words) : "something else") + " after " + std::to_string(offset_) + " unpacked bytes");
  }

  ReadFile file_;
  std::unique_ptr<archive, Free> archive_;
  uint64_t offset_ = 0;
  bool at_end_ = false;
};

}  // namespace

bool is_packed(const fs::path& path) {
  const ReadFile file(path);
  std::array<char, 6> start{};
  const size_t count = std::min<uint64_t>(start.size(), file.size());
  file.read_at(0, start.data(), count);
  const std::string_view bytes(start.data(), count);
  using namespace std::string_view_literals;
  return bytes.starts_with("\x1f\x8b"sv) || bytes.starts_with("\x28\xb5\x2f\xfd"sv) || bytes.starts_with("\xfd\x37zXZ\0"sv) ||
         bytes.starts_with("BZh"sv);
}

std::unique_ptr<ByteSource> open_bytes(const fs::path& path) {
  if (is_packed(path)) return std::make_unique<PackedBytes>(path);
  return std::make_unique<PlainBytes>(path);
}

}  // namespace distill
