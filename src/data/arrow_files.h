// Parquet files and both kinds of Arrow files as batches of rows, one in memory at a time.
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <string>

#include "row_readers.h"

namespace distill {

class BatchSource {
 public:
  virtual ~BatchSource() = default;
  // The columns that have a form in JSON; null at the end. InputError names the file.
  virtual std::shared_ptr<arrow::RecordBatch> next() = 0;
  // Goes over whole parts of the file without decoding them, at most `rows` rows; returns over how many.
  virtual int64_t skip(int64_t rows) = 0;
  virtual int64_t bytes_read() const = 0;  // about

  // The other columns as members of a JSON object, the same in every row: "image":{"type":"binary"}. No field of a row may look
  // like this, so that a row which needs the column is refused by its name.
  const std::string& unread_columns() const { return unread_columns_; }

 protected:
  // The places of the columns that can be read.
  std::vector<int> readable_columns(const arrow::Schema& schema);

 private:
  std::string unread_columns_;
};

std::unique_ptr<BatchSource> open_batches(const fs::path& path, TableFormat format);

}  // namespace distill
