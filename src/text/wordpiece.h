// The WordPiece model: one piece of text -> token ids, by taking the longest token of the vocabulary again and again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "piece_cache.h"
#include "symbol.h"
#include "token_table.h"

namespace distill {

struct WordPieceOptions {
  std::string unk_token;
  std::string continuing_subword_prefix;  // of tokens that do not start a piece
  uint64_t max_input_chars_per_word = 0;  // a longer piece is unknown as a whole
};

// Buffers and the piece cache of one thread at a time; bounded.
struct WordPieceScratch {
  PieceCache cache;
  std::string token;
};

class WordPiece {
 public:
  // `where` names the model in its file.
  WordPiece(TokenTable vocabulary, WordPieceOptions options, std::string where);

  // Appends the tokens of a non-empty piece, or the unknown token for all of it when a part of it has none. InputError when
  // that is needed and the vocabulary lacks it.
  void encode(std::string_view piece, WordPieceScratch& scratch, std::vector<Symbol>& out) const;
  const TokenTable& vocabulary() const { return vocabulary_; }

 private:
  bool append_tokens(std::string_view piece, std::string& token, std::vector<Symbol>& out) const;
  int32_t unknown_id() const;

  TokenTable vocabulary_;
  WordPieceOptions options_;
  std::string where_;
  size_t longest_token_ = 0;  // bytes
};

}  // namespace distill
