// Dynamic masking for masked language models (Devlin et al. 2018, section 3.1, with fresh masks for every epoch as in Liu et al.
// 2019): which tokens of a document are predicted this time, and what the models see in their place.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "distill/data/render.h"
#include "distill/text/tokenizer.h"

namespace distill {

struct MaskWords {
  int32_t mask_id = 0;
  std::vector<int32_t> ordinary_ids;  // that may stand in for a token: below the vocabulary, not special
};
// InputError names what the tokenizer lacks; it may be null.
MaskWords mask_words(const Tokenizer* tokenizer, int64_t vocab_size);

struct MaskedToken {
  uint32_t place = 0;  // in its document
  int32_t shown = 0;   // what stands there for the models: the mask (80 %), any ordinary id (10 %), the token itself (10 %)
};
// `count` of the kept tokens (at most all of them), in ascending order: a pure function of the tokens, the words and the key.
std::vector<MaskedToken> choose_masked(std::span<const Token> tokens, int64_t count, const MaskWords& words, uint64_t key);

}  // namespace distill
