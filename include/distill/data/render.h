// From a sample to token ids and labels: special tokens, end of sequence, what of it is learned, and cutting to length.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "distill/data/chat_words.h"
#include "distill/data/sample.h"
#include "distill/data/task_rules.h"
#include "distill/recipe/data.h"
#include "distill/text/tokenizer.h"

namespace distill {

// One token with the answer to "is it a label?" in its top bit: 4 bytes in memory where ids and labels agree. For masked language
// models the bit marks the candidates for masking.
struct Token {
  uint32_t bits = 0;
  static Token of(int32_t id, bool kept) { return {static_cast<uint32_t>(id) | (kept ? kKeptBit : 0)}; }
  int32_t id() const { return static_cast<int32_t>(bits & ~kKeptBit); }
  bool kept() const { return (bits & kKeptBit) != 0; }
  static constexpr uint32_t kKeptBit = uint32_t{1} << 31;
};

struct Document {
  std::vector<Token> tokens;
  std::vector<int32_t> labels;  // empty unless a kept label differs from its id
  std::optional<int32_t> row_class;
  uint32_t num_front = 0, num_back = 0;  // tokens that the post-processor put around the text
};

// What rendering is told by the recipe, the tokenizer and the model.
struct RenderRules {
  const Tokenizer* tokenizer = nullptr;        // null: only input_ids can be rendered
  std::optional<Complaint> tokenizer_problem;  // why there is none
  ChatWords words;                             // without a template conversations cannot be rendered
  bool append_eos = true;                      // text and completions end with `eos`
  std::optional<int32_t> eos;                  // empty: the tokenizer names none
  bool completion_only = true;                 // the prompt is no label, nor is what the assistant does not say
  int64_t vocab_size = 0;                      // 0 = unbounded
  TaskRules task;
};
// Only next_token appends an end of sequence: encoders have what their post-processor adds.
RenderRules render_rules(const DataRecipe& recipe, const Tokenizer* tokenizer, int64_t vocab_size, const TaskRules& task = {},
                         const ChatWords& words = {});

// A stretch of a text that is learned from, in bytes: all of a text, or what the assistant says in one turn.
struct TextStretch {
  size_t begin = 0, end = 0;
  std::optional<size_t> words;  // where the content of the turn's message begins, when it stands there as it was given
};
// Where the tokens of a document come from.
struct TextTrace {
  std::string text;                                    // that was tokenised
  std::vector<std::pair<uint32_t, uint32_t>> offsets;  // byte range of each token; empty for one that was added to the text
  std::vector<TextStretch> stretches;                  // in order
};

// The whole document, not cut. next_token: its first token is never kept, as nothing predicts it. masked_tokens: special tokens
// are never kept. Conversations are what their template writes, and nothing is added to it (conversation.h). InputError names
// `where`: text without a tokenizer, a conversation without a template, ids outside the vocabulary, no end of sequence to
// append, a kind of row that the task does not have. `trace`, when given, is filled in; ids have no text to trace.
Document render(const Sample& sample, const RenderRules& rules, const std::string& where, TextTrace* trace = nullptr);

// The document in pieces of at most `length` tokens: only the first one (truncate) or all (split). Pieces without a kept token
// are left in, for the caller to count. next_token: every piece begins anew, its first token is never kept. Else every piece
// stands between the tokens that the post-processor added; InputError when these leave no room.
std::vector<Document> cut(Document document, int64_t length, Overflow overflow, Targets targets = Targets::next_token);
// How many targets the document has: kept tokens, tokens that will be masked, or the row itself.
int64_t num_kept(const Document& document, const TaskRules& task = {});

}  // namespace distill
