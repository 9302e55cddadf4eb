#include "bpe.h"

#include <algorithm>

#include "distill/core/error.h"

#include "byte_level.h"
#include "unicode.h"

namespace distill {
namespace {

constexpr size_t kLongestScanned = 64;              // symbols; above, a heap beats scanning for the lowest rank
constexpr std::string_view kMark = "\xE2\x96\x81";  // U+2581, which stands for a space

std::string fallback_name(unsigned byte) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">";
}

[[noreturn]] void refuse_merge(const std::string& where, size_t index, const std::string& token) {
  throw InputError({where + ".merges[" + std::to_string(index) + "]", "tokens of the vocabulary", "\"" + token + "\"",
                    "Take tokenizer.json again from its source.", ""});
}

MergeTable make_merges(const TokenTable& vocabulary, const Bpe::Merges& merges, size_t prefix_bytes, const std::string& where) {
  MergeTable table(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto& [left, right] = merges[i];
    const auto id = [&](const std::string& token) {
      const auto found = vocabulary.find(token);
      if (!found) refuse_merge(where, i, token);
      return *found;
    };
    const int32_t left_id = id(left), right_id = id(right);
    if (right.size() < prefix_bytes) refuse_merge(where, i, right);
    table.set(left_id, right_id, {static_cast<uint32_t>(i), id(left + right.substr(prefix_bytes))});
  }
  return table;
}

bool comes_later(const BpeScratch::Candidate& a, const BpeScratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

// Where the first mark after `begin` stands that follows another character; the end when there is none.
size_t next_word(std::string_view text, size_t begin) {
  for (size_t at = text.find(kMark, begin + 1); at != std::string_view::npos; at = text.find(kMark, at + kMark.size()))
    if (!text.substr(0, at).ends_with(kMark)) return at;
  return text.size();
}

}  // namespace

Bpe::Bpe(TokenTable vocabulary, const Merges& merges, BpeOptions options, std::string where)
    : vocabulary_(std::move(vocabulary)),
      options_(std::move(options)),
      where_(std::move(where)),
      merges_(make_merges(vocabulary_, merges, options_.continuing_subword_prefix.size(), where_)),
      cuts_at_marks_(merges_stop_at_marks(merges)) {
  for (unsigned byte = 0; byte < 256; ++byte) fallback_ids_[byte] = vocabulary_.find(fallback_name(byte));
}

// Then a long text can be merged word by word, with the same result: no merge reaches over the place before a mark that follows
// another character, because what it made would have such a place inside. It needs a symbol for every character, or marks could
// become neighbours where the text has something between them.
bool Bpe::merges_stop_at_marks(const Merges& merges) const {
  if (options_.ignore_merges || !options_.continuing_subword_prefix.empty() || !options_.end_of_word_suffix.empty()) return false;
  if (!options_.unk_token || options_.unk_token->ends_with(kMark) || !vocabulary_.find(kMark)) return false;
  return std::all_of(merges.begin(), merges.end(), [](const auto& merge) {
    const std::string merged = merge.first + merge.second;
    return next_word(merged, 0) == merged.size();
  });
}

bool Bpe::can_read_raw_bytes() const {
  if (!options_.continuing_subword_prefix.empty() || !options_.end_of_word_suffix.empty()) return false;
  for (unsigned byte = 0; byte < 256; ++byte)
    if (!vocabulary_.find(spell_byte(static_cast<uint8_t>(byte)))) return false;
  return true;
}

void Bpe::read_raw_bytes() {
  raw_bytes_ = true;
  cuts_at_marks_ = false;
  for (unsigned byte = 0; byte < 256; ++byte) byte_ids_[byte] = *vocabulary_.find(spell_byte(static_cast<uint8_t>(byte)));
  if (!options_.ignore_merges) return;
  for (const auto& [token, id] : vocabulary_.tokens())
    if (auto bytes = spelled_bytes(token)) ids_by_bytes_.emplace(std::move(*bytes), static_cast<int32_t>(id));
}

std::optional<int32_t> Bpe::whole_piece(std::string_view piece) const {
  if (!raw_bytes_) return vocabulary_.find(piece);
  const auto found = ids_by_bytes_.find(std::string(piece));
  return found == ids_by_bytes_.end() ? std::nullopt : std::optional<int32_t>(found->second);
}

void Bpe::encode(std::string_view piece, BpeScratch& scratch, std::vector<Symbol>& out) const {
  for (size_t begin = 0; begin < piece.size();) {
    const size_t end = cuts_at_marks_ ? next_word(piece, begin) : piece.size();
    encode_part(piece.substr(begin, end - begin), scratch, out);
    begin = end;
  }
}

void Bpe::encode_part(std::string_view part, BpeScratch& scratch, std::vector<Symbol>& out) const {
  scratch.cache.append(part, out, [&](std::vector<Symbol>& made) {
    scratch.symbols.clear();
    if (const auto id = options_.ignore_merges ? whole_piece(part) : std::nullopt)
      scratch.symbols.push_back({*id, static_cast<uint32_t>(part.size())});
    else
      merge_piece(part, scratch);
    made = scratch.symbols;
  });
}

void Bpe::merge_piece(std::string_view piece, BpeScratch& scratch) const {
  if (raw_bytes_)
    for (const char byte : piece) scratch.symbols.push_back({byte_ids_[static_cast<uint8_t>(byte)], 1});
  else
    append_characters(piece, scratch.symbols);
  if (scratch.symbols.size() <= kLongestScanned)
    merge_short(scratch);
  else
    merge_long(scratch);
}

// A character of the vocabulary, or its bytes, or the unknown token, or nothing.
void Bpe::append_characters(std::string_view piece, std::vector<Symbol>& symbols) const {
  std::optional<Symbol> unknown;  // kept back: the next unknown character may join it
  const auto flush = [&] {
    if (unknown) symbols.push_back(*unknown);
    unknown.reset();
  };
  std::string character;
  for (size_t at = 0; at < piece.size();) {
    const size_t num_bytes = code_point_at(piece, at).num_bytes;
    character = at == 0 ? std::string() : options_.continuing_subword_prefix;
    character += piece.substr(at, num_bytes);
    at += num_bytes;
    if (at == piece.size()) character += options_.end_of_word_suffix;
    if (const auto id = vocabulary_.find(character)) {
      flush();
      symbols.push_back({*id, static_cast<uint32_t>(num_bytes)});
      continue;
    }
    if (options_.byte_fallback && append_bytes(character, symbols)) continue;
    if (!options_.unk_token) continue;
    if (!options_.fuse_unk) flush();
    if (!unknown) unknown = Symbol{unknown_id(), 0};
    unknown->num_bytes += static_cast<uint32_t>(num_bytes);
  }
  flush();
}

bool Bpe::append_bytes(std::string_view character, std::vector<Symbol>& symbols) const {
  const auto id = [&](char byte) { return fallback_ids_[static_cast<uint8_t>(byte)]; };
  if (!std::all_of(character.begin(), character.end(), [&](char byte) { return id(byte).has_value(); })) return false;
  for (const char byte : character) symbols.push_back({*id(byte), 1});
  return true;
}

int32_t Bpe::unknown_id() const {
  if (const auto id = vocabulary_.find(*options_.unk_token)) return *id;
  throw InputError({where_ + ".unk_token", "a token of the vocabulary, because the text has a character that it does not cover",
                    "\"" + *options_.unk_token + "\"", "Use the tokenizer.json that belongs to the model.", ""});
}

// Scans for the lowest rank, leftmost first, until nothing merges.
void Bpe::merge_short(BpeScratch& scratch) const {
  std::vector<Symbol>& symbols = scratch.symbols;
  std::vector<uint32_t>& ranks = scratch.ranks;  // ranks[i]: of symbols i and i + 1
  const auto rank_at = [&](size_t i) {
    return i + 1 < symbols.size() ? merges_.find(symbols[i].id, symbols[i + 1].id).rank : MergeTable::kNone;
  };
  ranks.resize(symbols.size());
  for (size_t i = 0; i < symbols.size(); ++i) ranks[i] = rank_at(i);
  while (symbols.size() > 1) {
    const auto lowest = std::min_element(ranks.begin(), ranks.end());
    if (*lowest == MergeTable::kNone) return;
    const auto at = static_cast<size_t>(lowest - ranks.begin());
    symbols[at] = {merges_.find(symbols[at].id, symbols[at + 1].id).id, symbols[at].num_bytes + symbols[at + 1].num_bytes};
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(at) + 1);
    ranks.erase(ranks.begin() + static_cast<ptrdiff_t>(at) + 1);
    ranks[at] = rank_at(at);
    if (at > 0) ranks[at - 1] = rank_at(at - 1);
  }
}

void Bpe::push_candidate(BpeScratch& scratch, int32_t left, int32_t right) const {
  const int32_t left_id = scratch.symbols[static_cast<size_t>(left)].id,
                right_id = scratch.symbols[static_cast<size_t>(right)].id;
  const MergeTable::Merge merge = merges_.find(left_id, right_id);
  if (merge.rank == MergeTable::kNone) return;
  scratch.heap.push_back({merge.rank, static_cast<uint32_t>(left), left_id, right_id, merge.id});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), comes_later);
}

// The same order with a heap of candidates over a linked list; a candidate whose symbols have changed is passed over.
void Bpe::merge_long(BpeScratch& scratch) const {
  std::vector<Symbol>& symbols = scratch.symbols;
  const auto count = static_cast<int32_t>(symbols.size());
  scratch.heap.clear();
  scratch.links.resize(symbols.size());
  for (int32_t i = 0; i < count; ++i) {
    scratch.links[static_cast<size_t>(i)] = {i - 1, i + 1 < count ? i + 1 : -1};
    if (i + 1 < count) push_candidate(scratch, i, i + 1);
  }
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), comes_later);
    const BpeScratch::Candidate top = scratch.heap.back();
    scratch.heap.pop_back();
    Symbol& left = symbols[top.position];
    BpeScratch::Link& link = scratch.links[top.position];
    if (left.num_bytes == 0 || left.id != top.left || link.next < 0) continue;
    Symbol& right = symbols[static_cast<size_t>(link.next)];
    if (right.id != top.right) continue;
    left = {top.merged, left.num_bytes + right.num_bytes};
    right.num_bytes = 0;
    link.next = scratch.links[static_cast<size_t>(link.next)].next;
    const auto position = static_cast<int32_t>(top.position);
    if (link.next >= 0) {
      scratch.links[static_cast<size_t>(link.next)].previous = position;
      push_candidate(scratch, position, link.next);
    }
    if (link.previous >= 0) push_candidate(scratch, link.previous, position);
  }
  std::erase_if(symbols, [](const Symbol& symbol) { return symbol.num_bytes == 0; });
}

}  // namespace distill
