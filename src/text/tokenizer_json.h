// tokenizer.json as data: the two large tables (vocabulary, merges) as they stream by, everything else as a tree.
// Knows JSON, not what the components mean; components.h does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "distill/core/json_reader.h"

namespace distill {

struct TokenizerFile {
  std::string path;
  Json tree;  // without model.vocab and model.merges
  bool has_vocab = false;
  bool has_merges = false;
  std::vector<std::pair<std::string, int64_t>> vocab;
  std::vector<std::pair<std::string, std::string>> merges;
  bool has_pieces = false;
  std::vector<std::pair<std::string, double>> pieces;  // of Unigram: model.vocab as a list of [token, score]
};

// InputError names `path` with line and column, or the member that has the wrong form.
TokenizerFile parse_tokenizer_file(std::string_view text, const std::string& path);

}  // namespace distill
