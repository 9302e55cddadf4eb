#include "unigram.h"

#include <algorithm>
#include <limits>

#include "distill/core/error.h"
#include "distill/core/file.h"

#include "unicode.h"

namespace distill {
namespace {

constexpr double kUnknownPenalty = 10;  // below the lowest score of the vocabulary

std::string fallback_name(unsigned byte) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">";
}

std::vector<std::string> names_of(const std::vector<std::pair<std::string, double>>& pieces) {
  std::vector<std::string> names;
  names.reserve(pieces.size());
  for (const auto& [name, score] : pieces) names.push_back(name);
  return names;
}

void offer(UnigramScratch::Step& step, double score, int32_t id, uint32_t begin) {
  if (step.begin == UnigramScratch::kUnreached || score > step.score) step = {score, id, begin};
}

}  // namespace

Unigram::Unigram(const std::vector<std::pair<std::string, double>>& pieces, UnigramOptions options, std::string where)
    : vocabulary_(TokenTable::of_list(names_of(pieces), where + ".vocab")),
      unknown_score_(std::numeric_limits<double>::infinity()),
      where_(std::move(where)),
      byte_fallback_(options.byte_fallback),
      trie_(vocabulary_.tokens()) {
  for (const auto& [name, score] : pieces) {
    scores_.push_back(score);
    unknown_score_ = std::min(unknown_score_, score);
  }
  unknown_score_ -= kUnknownPenalty;
  for (unsigned byte = 0; byte < 256; ++byte) byte_ids_[byte] = vocabulary_.find(fallback_name(byte));
  if (!options.unk_id) return;
  if (*options.unk_id < 0 || *options.unk_id >= vocabulary_.num_ids()) {
    throw InputError({where_ + ".unk_id", "a place in the vocabulary, below " + std::to_string(vocabulary_.num_ids()),
                      std::to_string(*options.unk_id), "Take tokenizer.json again from its source.", ""});
  }
  unknown_id_ = static_cast<int32_t>(*options.unk_id);
}

void Unigram::encode(std::string_view piece, UnigramScratch& scratch, std::vector<Symbol>& out) const {
  scratch.cache.append(piece, out, [&](std::vector<Symbol>& made) {
    find_best_path(piece, scratch.steps);
    read_path_back(piece, scratch.steps, made);
  });
}

// Viterbi over the characters of the piece. Of equal sums the first that is found stays: tokens are tried from left to right,
// short ones first.
void Unigram::find_best_path(std::string_view piece, std::vector<UnigramScratch::Step>& steps) const {
  steps.assign(piece.size() + 1, {0, 0, UnigramScratch::kUnreached});
  for (size_t at = 0; at < piece.size();) {
    const size_t num_bytes = code_point_at(piece, at).num_bytes;
    const double score = steps[at].score;
    const auto begin = static_cast<uint32_t>(at);
    bool known = false;
    trie_.for_each_prefix(piece.substr(at), [&](int32_t id, uint32_t length) {
      offer(steps[at + length], scores_[static_cast<size_t>(id)] + score, id, begin);
      known = known || length == num_bytes;
    });
    if (!known) {
      UnigramScratch::Step& target = steps[at + num_bytes];
      offer(target, unknown_score_ + score, unknown_id_, begin);
      if (target.id < 0) refuse_unknown();
    }
    at += num_bytes;
  }
}

void Unigram::read_path_back(std::string_view piece, const std::vector<UnigramScratch::Step>& steps,
                             std::vector<Symbol>& symbols) const {
  size_t unknown_end = 0;  // 0: not in a run of unknown characters
  for (size_t end = piece.size(); end > 0;) {
    const UnigramScratch::Step& step = steps[end];
    if (step.id == unknown_id_) {
      if (unknown_end == 0) unknown_end = end;
    } else {
      if (unknown_end > 0) append_unknown(piece.substr(end, unknown_end - end), symbols);
      unknown_end = 0;
      symbols.push_back({step.id, static_cast<uint32_t>(end - step.begin)});
    }
    end = step.begin;
  }
  if (unknown_end > 0) append_unknown(piece.substr(0, unknown_end), symbols);
  std::reverse(symbols.begin(), symbols.end());
}

// What a run of unknown characters spells may be a token that scored too low; it is that token nevertheless.
void Unigram::append_unknown(std::string_view text, std::vector<Symbol>& reversed) const {
  const auto num_bytes = static_cast<uint32_t>(text.size());
  const auto id = [&](char byte) { return byte_ids_[static_cast<uint8_t>(byte)]; };
  if (const auto whole = vocabulary_.find(text)) return reversed.push_back({*whole, num_bytes});
  if (!byte_fallback_ || !std::all_of(text.begin(), text.end(), [&](char byte) { return id(byte).has_value(); }))
    return reversed.push_back({unknown_id_, num_bytes});
  for (size_t i = text.size(); i > 0; --i) reversed.push_back({*id(text[i - 1]), i == 1 ? num_bytes : 0});
}

void Unigram::refuse_unknown() const {
  throw InputError({where_ + ".unk_id", "an unknown token, because the text has a character that the vocabulary does not cover",
                    "none", "Use the tokenizer.json that belongs to the model.", ""});
}

}  // namespace distill
