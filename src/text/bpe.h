// The BPE model: one piece of text -> token ids, by merging neighbours in the order of the merges' ranks.
// Knows nothing of the text around the piece; the result of a short piece is remembered in the scratch.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "merge_table.h"
#include "piece_cache.h"
#include "symbol.h"
#include "token_table.h"

namespace distill {

struct BpeOptions {
  std::optional<std::string> unk_token;
  std::string continuing_subword_prefix;
  std::string end_of_word_suffix;
  bool fuse_unk = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
};

// Buffers and the piece cache of one thread at a time; bounded.
struct BpeScratch {
  PieceCache cache;
  std::vector<Symbol> symbols;
  std::vector<uint32_t> ranks;
  struct Link {
    int32_t previous, next;
  };
  std::vector<Link> links;
  struct Candidate {
    uint32_t rank;
    uint32_t position;
    int32_t left, right, merged;
  };
  std::vector<Candidate> heap;
};

class Bpe {
 public:
  using Merges = std::vector<std::pair<std::string, std::string>>;
  // `where` names the model in its file. InputError for a merge of tokens that the vocabulary does not have.
  Bpe(TokenTable vocabulary, const Merges& merges, BpeOptions options, std::string where);

  // True when every byte has a token of its own and nothing depends on a character's place in the piece. Then
  // read_raw_bytes() makes encode() take the bytes that the byte alphabet would spell.
  bool can_read_raw_bytes() const;
  void read_raw_bytes();

  // Appends the tokens of a non-empty piece. InputError when it needs an unknown token that the vocabulary lacks.
  void encode(std::string_view piece, BpeScratch& scratch, std::vector<Symbol>& out) const;
  const TokenTable& vocabulary() const { return vocabulary_; }

 private:
  bool merges_stop_at_marks(const Merges& merges) const;
  void encode_part(std::string_view part, BpeScratch& scratch, std::vector<Symbol>& out) const;
  std::optional<int32_t> whole_piece(std::string_view piece) const;
  void merge_piece(std::string_view piece, BpeScratch& scratch) const;
  void append_characters(std::string_view piece, std::vector<Symbol>& symbols) const;
  bool append_bytes(std::string_view character, std::vector<Symbol>& symbols) const;
  int32_t unknown_id() const;
  void merge_short(BpeScratch& scratch) const;
  void merge_long(BpeScratch& scratch) const;
  void push_candidate(BpeScratch& scratch, int32_t left, int32_t right) const;

  TokenTable vocabulary_;
  BpeOptions options_;
  std::string where_;
  MergeTable merges_;
  std::array<std::optional<int32_t>, 256> fallback_ids_;  // of "<0x00>" .. "<0xFF>"
  bool cuts_at_marks_;
  bool raw_bytes_ = false;
  std::array<int32_t, 256> byte_ids_{};                    // raw bytes: the token of each byte
  std::unordered_map<std::string, int32_t> ids_by_bytes_;  // raw bytes and ignore_merges: tokens by what they spell
};

}  // namespace distill
