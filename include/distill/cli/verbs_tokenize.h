// The verb `tokenize`: text in, token ids out, line by line.
#pragma once

#include <cstdio>
#include <filesystem>

#include "distill/data/lines.h"
#include "distill/text/tokenizer.h"

namespace distill {

struct TokenizeOptions {
  std::filesystem::path model;  // folder with tokenizer.json, or a hub id of the local cache
  bool special_tokens = true;   // those of the post-processor
};

// JSON Lines from stdin ({"text": ..}) to stdout ({"input_ids": [..], "decoded": ".."}). Returns the exit code; a reader that
// goes away is no error. InputError names the broken line: what came before it is written.
int run_tokenize(const TokenizeOptions& options);

// The same between any two ends. False when `out` is a pipe that nobody reads any more; the caller ignores SIGPIPE.
bool tokenize_lines(const Tokenizer& tokenizer, bool special_tokens, LineReader lines, std::FILE* out);

}  // namespace distill
