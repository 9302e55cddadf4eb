// What a line of a data file says, before any tokenizer has seen it: the three kinds of rows, checked.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "distill/data/lines.h"

namespace distill {

struct TextSample {
  std::string text;
};
struct CompletionSample {
  std::string prompt, completion;
};
struct IdsSample {
  std::vector<int32_t> ids;
  std::vector<int32_t> labels;  // aligned with ids, -100 = ignored; empty: every id is its own label
};
using Sample = std::variant<TextSample, CompletionSample, IdsSample>;

constexpr int32_t kIgnored = -100;

// Reads one line of JSON Lines. Fields that are null count as absent and unknown fields are ignored, as Hugging Face data
// sets carry both. An empty line is an error. InputError names `where` (file:line). Ids lie in [0, vocab_size), labels too or are
// -100; vocab_size 0 leaves them unbounded.
Sample parse_json_row(const std::string& line, const std::string& where, int64_t vocab_size);

// The line itself is the document. InputError when it is not UTF-8.
Sample parse_text_row(std::string line, const std::string& where);

enum class FileKind { json_lines, text };
// By the name's end, and by the first bytes for packed files under a plain name. InputError names formats that are not
// available yet.
FileKind file_kind(const std::filesystem::path& path);

}  // namespace distill
