// The readers behind open_rows(), one for each family of formats.
#pragma once

#include <memory>
#include <vector>

#include "distill/core/file.h"
#include "distill/data/reader.h"

namespace distill {

enum class TextFormat { json_lines, plain };
std::unique_ptr<RowReader> open_text_rows(const fs::path& path, TextFormat format, const ReadRules& rules);

// bin: little-endian uint16 without a header (nanoGPT), or behind the 1,024-byte header of llm.c (uint16 or uint32).
// npy: integers of NumPy in one dimension (a stream) or two (one document in each row).
enum class TokenFormat { bin, npy };
// A stream is cut after every `eos`, and into pieces of at most `sequence_length` tokens.
std::unique_ptr<RowReader> open_token_rows(const fs::path& path, TokenFormat format, const ReadRules& rules);

// Tables, one file after another: their rows as JSON objects, row by row. `source` is what messages call it.
enum class TableFormat { parquet, arrow };
std::unique_ptr<RowReader> open_table_rows(const fs::path& source, const std::vector<fs::path>& files, TableFormat format,
                                           const ReadRules& rules);

// The Arrow files of a folder of datasets.save_to_disk, in their order. InputError says what is missing.
std::vector<fs::path> files_of_saved_dataset(const fs::path& folder);

}  // namespace distill
