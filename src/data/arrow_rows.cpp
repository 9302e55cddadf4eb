// Rows of tables, Parquet and Arrow, through Arrow C++: a row becomes one JSON object, and is parsed as a line of JSON Lines is.
#include <algorithm>

#include "distill/core/error.h"
#include "distill/core/stop.h"

#include "arrow_files.h"
#include "arrow_json.h"

namespace distill {
namespace {

class TableRows : public RowReader {
 public:
  TableRows(const fs::path& source, const std::vector<fs::path>& files, TableFormat format, const ReadRules& rules)
      : source_(source), files_(files), format_(format), rules_(rules) {
    for (const fs::path& file : files_) total_bytes_ += static_cast<int64_t>(ReadFile(file).size());
    open_file();
  }

  bool next(RawRow& row) override {
    while (!batch_ || in_batch_ == batch_->num_rows())
      if (!next_batch()) return false;
    row = {as_json(in_batch_++), {}, ++number_};
    return true;
  }

  ReadPosition position() const override { return {number_, 0}; }

  void seek(const ReadPosition& position) override {
    restart();
    while (number_ < position.number) {
      number_ += batches_->skip(position.number - number_);
      if (number_ == position.number) break;
      if (!next_batch()) refuse_seek(position.number);
      in_batch_ = std::min(batch_->num_rows(), position.number - number_);
      number_ += in_batch_;
    }
  }

  Sample parse(RawRow row, const std::string& where) const override {
    return parse_json_row(row.text, where, rules_.vocab_size, rules_.num_classes);
  }

  int64_t bytes_read() const override { return std::min(total_bytes_, bytes_before_ + (batches_ ? batches_->bytes_read() : 0)); }
  int64_t total_bytes() const override { return total_bytes_; }

 private:
  void restart() {
    file_ = 0;
    number_ = bytes_before_ = 0;
    open_file();
  }

  void open_file() {
    batch_.reset();
    in_batch_ = 0;
    batches_ = open_batches(files_[file_], format_);
  }

  // Into the next file when this one is read.
  bool next_batch() {
    check_stop();
    while (!(batch_ = batches_->next())) {
      if (file_ + 1 == files_.size()) return false;
      bytes_before_ += static_cast<int64_t>(ReadFile(files_[file_++]).size());
      open_file();
    }
    in_batch_ = 0;
    return true;
  }

  std::string as_json(int64_t index) const {
    std::string text = "{";
    for (int column = 0; column < batch_->num_columns(); ++column) {
      if (column > 0) text += ',';
      append_json_text(batch_->column_name(column), text);
      text += ':';
      append_json(*batch_->column(column), index, text);
    }
    if (batch_->num_columns() > 0 && !batches_->unread_columns().empty()) text += ',';
    return text + batches_->unread_columns() + '}';
  }

  [[noreturn]] void refuse_seek(int64_t number) const {
    throw InputError({source_.string(), "at least " + std::to_string(number) + " rows", std::to_string(number_),
                      "The data was changed since it was read last: copy it again.", ""});
  }

  fs::path source_;
  std::vector<fs::path> files_;
  TableFormat format_;
  ReadRules rules_;
  int64_t total_bytes_ = 0, bytes_before_ = 0;
  size_t file_ = 0;
  std::unique_ptr<BatchSource> batches_;  // of files_[file_]
  std::shared_ptr<arrow::RecordBatch> batch_;
  int64_t in_batch_ = 0, number_ = 0;
};

}  // namespace

bool arrow_available() { return true; }

std::unique_ptr<RowReader> open_table_rows(const fs::path& source, const std::vector<fs::path>& files, TableFormat format,
                                           const ReadRules& rules) {
  return std::make_unique<TableRows>(source, files, format, rules);
}

}  // namespace distill
