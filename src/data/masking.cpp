#include "distill/data/masking.h"

#include <algorithm>

#include "distill/core/error.h"
#include "distill/core/random.h"

namespace distill {
namespace {

constexpr double kHiddenShare = 0.8, kReplacedShare = 0.1;

// Independent streams of one key.
constexpr uint64_t kFateStream = 0x66617465;
constexpr uint64_t kWordStream = 0x776f7264;

int32_t any_of(const std::vector<int32_t>& ids, double share) {
  return ids[static_cast<size_t>(share * static_cast<double>(ids.size()))];
}

}  // namespace

MaskWords mask_words(const Tokenizer* tokenizer, int64_t vocab_size) {
  const auto refuse = [](const std::string& found, const std::string& advice) {
    throw InputError({"tokenizer", "a mask token, as the task is masked_lm", found, advice, ""});
  };
  if (!tokenizer) refuse("no tokenizer", "Put a tokenizer.json into the student's or the teacher's folder.");
  const std::optional<int32_t> mask = tokenizer->mask_id();
  if (!mask) refuse("none", "Set \"mask_token\" in tokenizer_config.json beside tokenizer.json.");
  if (*mask >= vocab_size)
    refuse("id " + std::to_string(*mask) + ", outside the vocabulary of " + std::to_string(vocab_size),
           "Use the tokenizer that belongs to this model.");
  MaskWords words{*mask, {}};
  for (int32_t id = 0; id < std::min(vocab_size, tokenizer->num_ids()); ++id)
    if (!tokenizer->is_special(id)) words.ordinary_ids.push_back(id);
  if (words.ordinary_ids.empty()) refuse("special tokens only", "Use the tokenizer that belongs to this model.");
  return words;
}

std::vector<MaskedToken> choose_masked(std::span<const Token> tokens, int64_t count, const MaskWords& words, uint64_t key) {
  std::vector<uint32_t> candidates;
  for (uint32_t t = 0; t < tokens.size(); ++t)
    if (tokens[t].kept()) candidates.push_back(t);
  std::vector<MaskedToken> masked;
  for (uint64_t i = 0; i < static_cast<uint64_t>(count); ++i)
    masked.push_back({candidates[permuted(key, i, candidates.size())], 0});
  std::sort(masked.begin(), masked.end(), [](const MaskedToken& a, const MaskedToken& b) { return a.place < b.place; });
  const uint64_t fates = random_key({key, kFateStream}), ids = random_key({key, kWordStream});
  for (MaskedToken& one : masked) {
    const double fate = uniform(fates, one.place);
    one.shown = fate < kHiddenShare                    ? words.mask_id
                : fate < kHiddenShare + kReplacedShare ? any_of(words.ordinary_ids, uniform(ids, one.place))
                                                       : tokens[one.place].id();
  }
  return masked;
}

}  // namespace distill
