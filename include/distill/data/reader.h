// A data file as a sequence of rows in file order, whatever its format. Reading is serial and cheap; what a row means is left to
// parse(), which many threads may call.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distill/data/lines.h"
#include "distill/data/sample.h"

namespace distill {

struct RawRow {
  std::string text;          // a line of a text file, or a row as one JSON object
  std::vector<int32_t> ids;  // of a token file
  int64_t number = 0;        // line or row, from 1
};

struct ReadRules {
  int64_t vocab_size = 0;       // 0 = unbounded
  int64_t num_classes = 0;      // above 0: rows of a classifier
  std::optional<int32_t> eos;   // ends the documents of a token stream; empty: nothing does
  int64_t sequence_length = 0;  // of the pieces of a token stream; 0 = as long as a buffer
};

class RowReader {
 public:
  virtual ~RowReader() = default;
  // False at the end. InputError names file and row; Stopped when a signal came.
  virtual bool next(RawRow& row) = 0;
  // After the row that next() gave last.
  virtual ReadPosition position() const = 0;
  // Goes to a position that position() returned for the same file.
  virtual void seek(const ReadPosition& position) = 0;
  // May run on many threads, also while another one is in next().
  virtual Sample parse(RawRow row, const std::string& where) const = 0;
  // Of the file on disk, for progress.
  virtual int64_t bytes_read() const = 0;
  virtual int64_t total_bytes() const = 0;
};

// By the end of the name:
//   .jsonl .json .ndjson  a JSON object on each line         either may be compressed with gzip, Zstandard, xz or bzip2: the
//   first .txt .text            a document on each line            bytes decide, with or without .gz, .zst, .xz or .bz2 behind
//   the name .parquet .arrow       a table with a column for each field; so is a folder of datasets.save_to_disk .npy token ids:
//   in two dimensions a document in each row, in one dimension a stream .bin                  token ids, a stream: of llm.c when
//   it has that header, else uint16 as nanoGPT writes it
// A stream has no marks between its documents: they end after `eos`, and one of more than `sequence_length` tokens comes in
// pieces of that length, whatever the recipe says of overflow, as all of a stream without `eos` is one document. InputError names
// formats that are not available.
std::unique_ptr<RowReader> open_rows(const std::filesystem::path& path, const ReadRules& rules);
// Whether this build reads .parquet and .arrow.
bool arrow_available();

}  // namespace distill
