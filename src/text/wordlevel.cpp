#include "wordlevel.h"

#include <utility>

#include "distill/core/error.h"

namespace distill {

WordLevel::WordLevel(TokenTable vocabulary, std::string unk_token, std::string where)
    : vocabulary_(std::move(vocabulary)), unk_token_(std::move(unk_token)), where_(std::move(where)) {}

void WordLevel::encode(std::string_view piece, std::vector<Symbol>& out) const {
  const auto id = vocabulary_.find(piece);
  out.push_back({id ? *id : unknown_id(), static_cast<uint32_t>(piece.size())});
}

int32_t WordLevel::unknown_id() const {
  if (const auto id = vocabulary_.find(unk_token_)) return *id;
  throw InputError({where_ + ".unk_token", "a token of the vocabulary, because the text has a word that it does not cover",
                    "\"" + unk_token_ + "\"", "Use the tokenizer.json that belongs to the model.", ""});
}

}  // namespace distill
