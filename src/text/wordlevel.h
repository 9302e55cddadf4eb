// The WordLevel model: a piece of text is one token of the vocabulary, or the unknown token.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "symbol.h"
#include "token_table.h"

namespace distill {

class WordLevel {
 public:
  // `where` names the model in its file.
  WordLevel(TokenTable vocabulary, std::string unk_token, std::string where);

  // Appends the token of a non-empty piece. InputError when it needs the unknown token and the vocabulary lacks it.
  void encode(std::string_view piece, std::vector<Symbol>& out) const;
  const TokenTable& vocabulary() const { return vocabulary_; }

 private:
  int32_t unknown_id() const;

  TokenTable vocabulary_;
  std::string unk_token_;
  std::string where_;
};

}  // namespace distill
