// Lines of a file or of standard input, one buffer at a time: the text itself is never held in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace distill {

struct Line {
  std::string text;    // without its end (\n or \r\n); the first line without a byte order mark
  int64_t number = 0;  // from 1
};

// Where a reader of rows stands: after how many lines or rows, and, where the format can go there directly, at which byte of its
// text (of a compressed file: of what it holds).
struct ReadPosition {
  int64_t number = 0;
  int64_t byte = 0;
  bool operator==(const ReadPosition&) const = default;
};

class LineReader {
 public:
  // Fills up to `count` bytes and returns how many; 0 at the end.
  using ReadBytes = std::function<size_t(char* into, size_t count)>;

  // `name` is what messages call it: the path, or `stdin`.
  // `total_bytes` only serves progress; 0 = unknown. `start` is the place of the first byte that `read` gives.
  LineReader(std::string name, ReadBytes read, int64_t total_bytes = 0, ReadPosition start = {});
  // False at the end. InputError for a line of more than 1 GiB; Stopped when a signal came.
  bool next(Line& line);
  // The same without the blank lines at the end of the input; of a run of blank lines inside it, the first one is given.
  bool next_row(Line& line);
  // True when next() would not have to wait for the reader.
  bool has_line() const { return held_ || buffer_.find('\n', begin_) != std::string::npos; }
  // After the line or row that was given last.
  ReadPosition position() const { return held_ ? before_held_ : here(); }
  const std::string& name() const { return name_; }
  std::string where(int64_t number) const { return name_ + ":" + std::to_string(number); }
  int64_t bytes_read() const { return bytes_read_; }
  int64_t total_bytes() const { return total_bytes_; }

 private:
  bool fill();
  ReadPosition here() const { return {number_, start_byte_ + bytes_read_ - static_cast<int64_t>(buffer_.size() - begin_)}; }
  std::string name_;
  ReadBytes read_;
  std::string buffer_;
  size_t begin_ = 0;
  int64_t number_ = 0;
  int64_t bytes_read_ = 0, total_bytes_ = 0, start_byte_ = 0;
  std::optional<Line> held_;  // read to find out whether a blank line was one of the last
  ReadPosition before_held_;
};

// True when the line holds nothing but spaces and tabs.
bool is_blank(std::string_view text);

// InputError when the file is missing or not a regular file.
LineReader lines_of_file(const std::filesystem::path& path);
// Stdin, interruptible while it waits.
LineReader lines_of_stdin();

}  // namespace distill
