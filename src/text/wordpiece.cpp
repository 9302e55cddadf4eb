#include "wordpiece.h"

#include <algorithm>
#include <utility>

#include "distill/core/error.h"

#include "unicode.h"

namespace distill {

WordPiece::WordPiece(TokenTable vocabulary, WordPieceOptions options, std::string where)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)), where_(std::move(where)) {
  for (const auto& [token, id] : vocabulary_.tokens()) longest_token_ = std::max(longest_token_, token.size());
}

void WordPiece::encode(std::string_view piece, WordPieceScratch& scratch, std::vector<Symbol>& out) const {
  scratch.cache.append(piece, out, [&](std::vector<Symbol>& made) {
    const bool short_enough = num_code_points(piece) <= options_.max_input_chars_per_word;
    if (!short_enough || !append_tokens(piece, scratch.token, made))
      made.assign(1, {unknown_id(), static_cast<uint32_t>(piece.size())});
  });
}

// False when something is left that no token begins; `out` then holds the tokens before it.
bool WordPiece::append_tokens(std::string_view piece, std::string& token, std::vector<Symbol>& out) const {
  for (size_t begin = 0; begin < piece.size();) {
    token.clear();
    if (begin > 0) token = options_.continuing_subword_prefix;
    const size_t prefix = token.size();
    if (longest_token_ <= prefix) return false;
    size_t end = std::min(piece.size(), begin + longest_token_ - prefix);
    while (end < piece.size() && is_continuation_byte(piece[end])) --end;  // no token ends inside a character
    token += piece.substr(begin, end - begin);
    std::optional<int32_t> id;
    for (; end > begin; end -= code_point_before(piece, end).num_bytes) {
      token.resize(prefix + (end - begin));
      id = vocabulary_.find(token);
      if (id) break;
    }
    if (!id) return false;
    out.push_back({*id, static_cast<uint32_t>(end - begin)});
    begin = end;
  }
  return true;
}

int32_t WordPiece::unknown_id() const {
  if (const auto id = vocabulary_.find(options_.unk_token)) return *id;
  throw InputError({where_ + ".unk_token", "a token of the vocabulary, because the text has a word that it does not cover",
                    "\"" + options_.unk_token + "\"", "Use the tokenizer.json that belongs to the model.", ""});
}

}  // namespace distill
