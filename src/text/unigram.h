// The Unigram model: one piece of text -> the token ids of the segmentation with the highest sum of scores.
// Knows nothing of the text around the piece; the result of a short piece is remembered in the scratch.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "byte_trie.h"
#include "piece_cache.h"
#include "symbol.h"
#include "token_table.h"

namespace distill {

struct UnigramOptions {
  std::optional<int64_t> unk_id;
  bool byte_fallback = false;
};

// Buffers of one thread at a time.
struct UnigramScratch {
  // The best way to a place in the piece: its last token, where that starts (kUnreached: no way yet), and the sum of scores.
  struct Step {
    double score;
    int32_t id;
    uint32_t begin;
  };
  static constexpr uint32_t kUnreached = UINT32_MAX;
  std::vector<Step> steps;
  PieceCache cache;
};

class Unigram {
 public:
  // The id of a token is its place in `pieces`; of equal tokens the last is found. `where` names the model in its file.
  Unigram(const std::vector<std::pair<std::string, double>>& pieces, UnigramOptions options, std::string where);

  // Appends the tokens of a non-empty piece, less than 4 GiB. Unknown characters side by side are one unknown token, or, with
  // byte_fallback, their bytes, each of which covers all of them. InputError when there is no unknown token and it needs one.
  void encode(std::string_view piece, UnigramScratch& scratch, std::vector<Symbol>& out) const;
  const TokenTable& vocabulary() const { return vocabulary_; }
  // The token that stands for any text; -1: none.
  int32_t unknown_id() const { return unknown_id_; }

 private:
  void find_best_path(std::string_view piece, std::vector<UnigramScratch::Step>& steps) const;
  void read_path_back(std::string_view piece, const std::vector<UnigramScratch::Step>& steps, std::vector<Symbol>& symbols) const;
  void append_unknown(std::string_view text, std::vector<Symbol>& reversed) const;
  [[noreturn]] void refuse_unknown() const;

  TokenTable vocabulary_;
  std::vector<double> scores_;
  double unknown_score_;
  std::string where_;
  int32_t unknown_id_ = -1;
  bool byte_fallback_;
  std::array<std::optional<int32_t>, 256> byte_ids_;  // of "<0x00>" .. "<0xFF>"
  ByteTrie trie_;
};

}  // namespace distill
