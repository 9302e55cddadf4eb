#include "distill/data/lines.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "distill/core/error.h"
#include "distill/core/stop.h"
#include "distill/data/bytes.h"

namespace distill {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;
constexpr size_t kMaxLineBytes = size_t{1} << 30;  // offsets of tokens are 32 bits wide
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Waits in poll(), which a signal always ends, so that a stop is seen although reads are restarted.
size_t read_stdin(char* into, size_t count) {
  while (true) {
    check_stop();
    pollfd wanted{STDIN_FILENO, POLLIN, 0};
    if (::poll(&wanted, 1, -1) < 0 && errno == EINTR) continue;
    const ssize_t got = ::read(STDIN_FILENO, into, count);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR && errno != EAGAIN)
      throw InputError({"stdin", "a readable input", std::strerror(errno), "Pipe or redirect a file into the command.", ""});
  }
}

}  // namespace

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r") == std::string_view::npos; }

LineReader::LineReader(std::string name, ReadBytes read, int64_t total_bytes, ReadPosition start)
    : name_(std::move(name)), read_(std::move(read)), number_(start.number), total_bytes_(total_bytes), start_byte_(start.byte) {}

bool LineReader::fill() {
  check_stop();
  buffer_.erase(0, begin_);
  begin_ = 0;
  const size_t used = buffer_.size();
  if (used > kMaxLineBytes)
    throw InputError({where(number_ + 1), "lines of at most 1 GiB", "a longer one", "Put one document on each line.", ""});
  buffer_.resize(used + kBufferBytes);
  const size_t got = read_(buffer_.data() + used, kBufferBytes);
  buffer_.resize(used + got);
  bytes_read_ += static_cast<int64_t>(got);
  return got > 0;
}

bool LineReader::next(Line& line) {
  size_t searched = begin_, end = buffer_.find('\n', begin_);
  while (end == std::string::npos) {
    searched = buffer_.size() - begin_;
    if (!fill()) break;
    end = buffer_.find('\n', searched);
  }
  if (end == std::string::npos && begin_ == buffer_.size()) return false;
  const size_t stop = std::min(end, buffer_.size());
  line.text.assign(buffer_, begin_, stop - begin_);
  line.number = ++number_;
  begin_ = end == std::string::npos ? stop : stop + 1;
  if (line.text.ends_with('\r')) line.text.pop_back();
  if (number_ == 1 && line.text.starts_with(kByteOrderMark)) line.text.erase(0, kByteOrderMark.size());
  return true;
}

bool LineReader::next_row(Line& line) {
  if (held_) {
    line = std::move(*held_);
    held_.reset();
    return true;
  }
  if (!next(line)) return false;
  if (!is_blank(line.text)) return true;
  Line after;
  for (ReadPosition before = here(); next(after); before = here()) {
    if (is_blank(after.text)) continue;
    held_ = std::move(after);
    before_held_ = before;
    return true;
  }
  return false;
}

LineReader lines_of_file(const std::filesystem::path& path) {
  const std::shared_ptr<ByteSource> file = open_bytes(path);
  return {path.string(), [file](char* into, size_t count) { return file->read(into, count); }, file->total_bytes()};
}

LineReader lines_of_stdin() { return {"stdin", read_stdin}; }

}  // namespace distill
