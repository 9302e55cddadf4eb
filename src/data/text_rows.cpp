// Rows that are lines: JSON Lines, and plain text with one document on each line.
#include "distill/data/bytes.h"

#include "row_readers.h"

namespace distill {
namespace {

class TextRows : public RowReader {
 public:
  TextRows(const fs::path& path, TextFormat format, const ReadRules& rules)
      : name_(path.string()), format_(format), rules_(rules), bytes_(open_bytes(path)), lines_(lines_from({})) {}

  bool next(RawRow& row) override {
    Line line;
    if (!next_line(line)) return false;
    row = {std::move(line.text), {}, line.number};
    return true;
  }

  ReadPosition position() const override { return lines_.position(); }

  void seek(const ReadPosition& position) override {
    bytes_->seek(static_cast<uint64_t>(position.byte));
    lines_ = lines_from(position);
  }

  Sample parse(RawRow row, const std::string& where) const override {
    if (format_ == TextFormat::plain) return parse_text_row(std::move(row.text), where);
    return parse_json_row(row.text, where, rules_.vocab_size, rules_.num_classes);
  }

  int64_t bytes_read() const override { return bytes_->bytes_read(); }
  int64_t total_bytes() const override { return bytes_->total_bytes(); }

 private:
  LineReader lines_from(const ReadPosition& start) {
    return {name_, [this](char* into, size_t count) { return bytes_->read(into, count); }, bytes_->total_bytes(), start};
  }

  // In a text file blank lines only part the documents; in JSON Lines one inside the file is a broken row.
  bool next_line(Line& line) {
    if (format_ == TextFormat::json_lines) return lines_.next_row(line);
    while (lines_.next(line))
      if (!is_blank(line.text)) return true;
    return false;
  }

  std::string name_;
  TextFormat format_;
  ReadRules rules_;
  std::unique_ptr<ByteSource> bytes_;
  LineReader lines_;
};

}  // namespace

std::unique_ptr<RowReader> open_text_rows(const fs::path& path, TextFormat format, const ReadRules& rules) {
  return std::make_unique<TextRows>(path, format, rules);
}

}  // namespace distill
