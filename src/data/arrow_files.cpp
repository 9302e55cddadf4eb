#include "arrow_files.h"

#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <arrow/memory_pool.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <algorithm>
#include <array>

#include "distill/core/error.h"

#include "arrow_json.h"

namespace distill {
namespace {

using Batch = std::shared_ptr<arrow::RecordBatch>;

constexpr int64_t kBatchBytes = int64_t{1} << 23;
constexpr int64_t kMaxBatchRows = 4096;

[[noreturn]] void refuse(const fs::path& path, const std::string& expected, const std::string& found) {
  throw InputError({path.string(), expected, found.substr(0, found.find('\n')),
                    "It was cut or damaged, is of another format, or needs a newer Arrow than this build has: copy it again, or "
                    "write it anew.",
                    ""});
}

// Arrow answers with a status, and Parquet throws in places: both are the file's fault.
template <class Work>
auto reading(const fs::path& path, const char* expected, Work work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    refuse(path, expected, error.what());
  }
}

void check(const arrow::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}

template <class Value>
Value take(arrow::Result<Value> result) {
  check(result.status());
  return std::move(result).ValueUnsafe();
}

// Later releases return the reader, earlier ones fill a pointer.
template <class Reader>
std::unique_ptr<arrow::RecordBatchReader> batches_of(Reader& reader, const std::vector<int>& groups,
                                                     const std::vector<int>& columns) {
  if constexpr (requires { reader.GetRecordBatchReader(groups, columns).status(); }) {
    return take(reader.GetRecordBatchReader(groups, columns));
  } else {
    std::unique_ptr<arrow::RecordBatchReader> batches;
    check(reader.GetRecordBatchReader(groups, columns, &batches));
    return batches;
  }
}

// Parquet, one row group after the other, its pages read through buffers.
class ParquetBatches : public BatchSource {
 public:
  explicit ParquetBatches(const fs::path& path) : path_(path) {
    reading(path_, kExpected, [&] { open(); });
  }

  Batch next() override {
    return reading(path_, kExpected, [&]() -> Batch {
      while (batches_ || group_ < metadata_->num_row_groups()) {
        if (!batches_) batches_ = batches_of(*reader_, {group_++}, leaves_);
        if (Batch batch = take(batches_->Next())) return batch;
        batches_.reset();
      }
      return nullptr;
    });
  }

  int64_t skip(int64_t rows) override {
    if (batches_) return 0;  // in the middle of a row group
    int64_t skipped = 0;
    for (; group_ < metadata_->num_row_groups() && skipped + rows_of(group_) <= rows; ++group_) skipped += rows_of(group_);
    return skipped;
  }

  int64_t bytes_read() const override {
    int64_t bytes = 0;
    for (int group = 0; group < group_; ++group) bytes += metadata_->RowGroup(group)->total_compressed_size();
    return bytes;
  }

 private:
  static constexpr const char* kExpected = "a whole Parquet file";

  int64_t rows_of(int group) const { return metadata_->RowGroup(group)->num_rows(); }

  void open() {
    parquet::ReaderProperties properties(arrow::system_memory_pool());
    properties.enable_buffered_stream();
    parquet::arrow::FileReaderBuilder builder;
    check(builder.OpenFile(path_.string(), /*memory_map=*/false, properties));
    metadata_ = builder.raw_reader()->metadata();
    parquet::ArrowReaderProperties decoding(/*use_threads=*/false);
    decoding.set_pre_buffer(false);
    decoding.set_batch_size(batch_rows());
    builder.properties(decoding)->memory_pool(arrow::system_memory_pool());
    check(builder.Build(&reader_));
    choose_columns();
  }

  // As many rows as make some megabytes.
  int64_t batch_rows() const {
    int64_t bytes = 0;
    for (int group = 0; group < metadata_->num_row_groups(); ++group) bytes += metadata_->RowGroup(group)->total_byte_size();
    const int64_t row_bytes = std::max<int64_t>(bytes / std::max<int64_t>(metadata_->num_rows(), 1), 1);
    return std::clamp<int64_t>(kBatchBytes / row_bytes, 1, kMaxBatchRows);
  }

  // A column of records lies in the file as one leaf for each of its fields.
  void choose_columns() {
    std::shared_ptr<arrow::Schema> schema;
    check(reader_->GetSchema(&schema));
    const std::vector<int> columns = readable_columns(*schema);
    const parquet::SchemaDescriptor& leaves = *metadata_->schema();
    for (int leaf = 0; leaf < leaves.num_columns(); ++leaf) {
      const int column = leaves.group_node()->FieldIndex(*leaves.GetColumnRoot(leaf));
      if (std::find(columns.begin(), columns.end(), column) != columns.end()) leaves_.push_back(leaf);
    }
  }

  fs::path path_;
  std::shared_ptr<parquet::FileMetaData> metadata_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;  // of the row group before group_
  std::vector<int> leaves_;
  int group_ = 0;
};

constexpr std::string_view kFileMagic = "ARROW1";

// What writers put behind the last batch of a stream. Without it the file may have been cut between two batches.
bool has_end_of_stream(const fs::path& path) {
  const ReadFile file(path);
  constexpr std::string_view kEnd("\xff\xff\xff\xff\0\0\0\0", 8);
  std::array<char, kEnd.size()> end{};
  if (file.size() < end.size()) return false;
  file.read_at(file.size() - end.size(), end.data(), end.size());
  return std::string_view(end.data(), end.size()) == kEnd;
}

bool is_arrow_file(const fs::path& path) {
  const ReadFile file(path);
  std::array<char, kFileMagic.size()> start{};
  if (file.size() >= start.size()) file.read_at(0, start.data(), start.size());
  return std::string_view(start.data(), start.size()) == kFileMagic;
}

// Arrow IPC: a stream, as the datasets library writes it, or a file with an index of its batches.
class ArrowBatches : public BatchSource {
 public:
  explicit ArrowBatches(const fs::path& path) : path_(path) {
    reading(path_, kExpected, [&] { open(); });
  }

  Batch next() override {
    return reading(path_, kExpected, [&]() -> Batch {
      const Batch batch = next_whole();
      if (!batch) return nullptr;
      check(batch->ValidateFull());  // offsets of a damaged file could point anywhere
      return take(batch->SelectColumns(columns_));
    });
  }

  int64_t skip(int64_t rows) override {
    return reading(path_, kExpected, [&] {
      int64_t skipped = 0;
      while (skipped < rows) {
        held_ = next_whole();
        if (!held_ || skipped + held_->num_rows() > rows) break;
        skipped += std::exchange(held_, nullptr)->num_rows();
      }
      return skipped;
    });
  }

  int64_t bytes_read() const override {
    if (file_) return size_ * batch_ / std::max(file_->num_record_batches(), 1);
    return input_->Tell().ValueOr(0);
  }

 private:
  static constexpr const char* kExpected = "a whole Arrow file";

  void open() {
    input_ = take(arrow::io::ReadableFile::Open(path_.string(), arrow::system_memory_pool()));
    arrow::ipc::IpcReadOptions options = arrow::ipc::IpcReadOptions::Defaults();
    options.memory_pool = arrow::system_memory_pool();
    options.use_threads = false;
    if (is_arrow_file(path_)) {
      file_ = take(arrow::ipc::RecordBatchFileReader::Open(input_, options));
    } else {
      if (!has_end_of_stream(path_)) throw std::runtime_error("no end of the stream at its end");
      stream_ = take(arrow::ipc::RecordBatchStreamReader::Open(input_, options));
    }
    size_ = take(input_->GetSize());
    columns_ = readable_columns(file_ ? *file_->schema() : *stream_->schema());
  }

  Batch next_whole() {
    if (held_) return std::exchange(held_, nullptr);
    if (file_) return batch_ < file_->num_record_batches() ? take(file_->ReadRecordBatch(batch_++)) : nullptr;
    return take(stream_->Next());
  }

  fs::path path_;
  std::shared_ptr<arrow::io::ReadableFile> input_;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> file_;  // one of these two
  std::shared_ptr<arrow::ipc::RecordBatchStreamReader> stream_;
  std::vector<int> columns_;
  int64_t size_ = 0;
  int batch_ = 0;
  Batch held_;  // read by skip(), not yet given
};

}  // namespace

std::vector<int> BatchSource::readable_columns(const arrow::Schema& schema) {
  std::vector<int> columns;
  for (int column = 0; column < schema.num_fields(); ++column) {
    const arrow::Field& field = *schema.field(column);
    if (fits_json(*field.type())) {
      columns.push_back(column);
      continue;
    }
    if (!unread_columns_.empty()) unread_columns_ += ',';
    append_json_text(field.name(), unread_columns_);
    unread_columns_ += ":{\"type\":";
    append_json_text(field.type()->ToString(), unread_columns_);
    unread_columns_ += '}';
  }
  return columns;
}

std::unique_ptr<BatchSource> open_batches(const fs::path& path, TableFormat format) {
  if (format == TableFormat::parquet) return std::make_unique<ParquetBatches>(path);
  return std::make_unique<ArrowBatches>(path);
}

}  // namespace distill
