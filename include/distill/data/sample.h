// What a line of a data file says, before any tokenizer has seen it: the three kinds of rows, checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "distill/data/lines.h"

namespace distill {

struct TextSample {
  std::string text;
  std::optional<int32_t> row_class;
};
struct CompletionSample {
  std::string prompt, completion;
};
struct IdsSample {
  std::vector<int32_t> ids;
  std::vector<int32_t> labels;  // aligned with ids, -100 = ignored; empty: every id is its own label
  std::optional<int32_t> row_class;
};
using Sample = std::variant<TextSample, CompletionSample, IdsSample>;

constexpr int32_t kIgnored = -100;

// Reads one line of JSON Lines. Fields that are null count as absent and unknown fields are ignored, as Hugging Face data
// sets carry both. An empty line is an error. InputError names `where` (file:line). Ids lie in [0, vocab_size), labels too or are
// -100; vocab_size 0 leaves them unbounded. With `num_classes` the rows are those of a classifier: text or input_ids, and `label`
// or `labels`, one number below num_classes, -100 or absent; without, `label` is a field like others that are ignored.
Sample parse_json_row(const std::string& line, const std::string& where, int64_t vocab_size, int64_t num_classes = 0);

// The line itself is the document. InputError when it is not UTF-8.
Sample parse_text_row(std::string line, const std::string& where);

}  // namespace distill
