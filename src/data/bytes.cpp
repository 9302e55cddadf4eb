#include "distill/data/bytes.h"

#include <algorithm>

#include "distill/core/error.h"
#include "distill/core/file.h"

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

}  // namespace

std::unique_ptr<ByteSource> open_bytes(const fs::path& path) { return std::make_unique<PlainBytes>(path); }

}  // namespace distill
