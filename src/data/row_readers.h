// The readers behind open_rows(), one for each family of formats.
#pragma once

#include <memory>

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

}  // namespace distill
