// What a line of a data file says, before any tokenizer has seen it: text, prompt and completion, ids or a conversation, checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "distill/core/json_reader.h"
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
// How a row spells its conversation; what is read from it is the same.
enum class ConversationForm { messages, conversations, prompt_completion, instruction };
struct MessagesSample {
  Json messages = Json::array();  // [{"role", "content", ...}], at least one
  Json tools;                     // null, or a list of objects
  Json variables;                 // null, or the object `chat_template_kwargs`
  // Of a prompt and a completion that are lists of messages: how many of the messages are the prompt.
  std::optional<size_t> num_prompt;
  bool add_generation_prompt = false;  // what the row says; the verb `tokenize` alone reads it
  ConversationForm form = ConversationForm::messages;
};
using Sample = std::variant<TextSample, CompletionSample, IdsSample, MessagesSample>;

constexpr int32_t kIgnored = -100;

// Reads one line of JSON Lines. Fields that are null count as absent and unknown fields are ignored, as Hugging Face data
// sets carry both. Conversations: `messages`; `conversations` of {from, value} (ShareGPT) or {role, content}; `prompt` and
// `completion` as lists of messages; `instruction`, `input`, `output`, `system`, `history` (Alpaca), which become a system, user
// and assistant turns. `tools` is a list or the JSON text of one. A lone `prompt` beside a conversation is a field like others
// that are ignored. An empty line is an error. InputError names `where` (file:line). Ids lie in [0, vocab_size), labels too or
// are -100; vocab_size 0 leaves them unbounded. With `num_classes` the rows are those of a classifier: text or input_ids, and
// `label` or `labels`, one number below num_classes, -100 or absent; without, `label` is a field like others that are ignored.
Sample parse_json_row(const std::string& line, const std::string& where, int64_t vocab_size, int64_t num_classes = 0);

// The line itself is the document. InputError when it is not UTF-8.
Sample parse_text_row(std::string line, const std::string& where);

}  // namespace distill
