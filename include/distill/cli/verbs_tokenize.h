// The verb `tokenize`: text in, token ids out, line by line.
#pragma once

#include <cstdio>
#include <filesystem>

#include "distill/data/chat_words.h"
#include "distill/data/lines.h"
#include "distill/text/tokenizer.h"

namespace distill {

struct TokenizeOptions {
  std::filesystem::path model;  // folder with tokenizer.json, or a hub id of the local cache
  bool special_tokens = true;   // those of the post-processor; a conversation has what its template writes
};

// JSON Lines from stdin ({"text": ..}) to stdout ({"input_ids": [..], "decoded": ".."}). A conversation ({"messages": [..]}, with
// `tools`, `chat_template_kwargs` and `add_generation_prompt`, or another form of sample.h) is also answered with its "text" and
// "assistant_mask", 0 or 1 for every token (conversation.h). Returns the exit code; a reader that
// goes away is no error. InputError names the broken line: what came before it is written.
int run_tokenize(const TokenizeOptions& options);

// The same between any two ends; without a template conversations are refused. False when `out` is a pipe that nobody reads any
// more; the caller ignores SIGPIPE.
bool tokenize_lines(const Tokenizer& tokenizer, const ChatWords& words, bool special_tokens, LineReader lines, std::FILE* out);

}  // namespace distill
