// From the members of tokenizer.json to the parts of a tokenizer. A component that is not available yet, or a member of the
// wrong form, is an InputError that names the file and the member.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "added_tokens.h"
#include "bpe.h"
#include "decode.h"
#include "normalize.h"
#include "post_process.h"
#include "pre_tokenize.h"
#include "tokenizer_json.h"
#include "unigram.h"
#include "wordlevel.h"
#include "wordpiece.h"

namespace distill {

// `version` must be 1.0. `truncation` and `padding` are passed over: they are settings of whoever saved the file, transformers
// resets them on every call, and here data.sequence_length decides.
void check_version(const TokenizerFile& file);

using Model = std::variant<Bpe, WordPiece, Unigram, WordLevel>;
// Takes the vocabulary and the merges out of the file.
Model read_model(TokenizerFile& file);
Normalizer read_normalizer(const TokenizerFile& file);
PreTokenizer read_pre_tokenizer(const TokenizerFile& file);
PostProcessor read_post_processor(const TokenizerFile& file, int64_t num_ids);
std::optional<Decoder> read_decoder(const TokenizerFile& file);
// With the ids that the reference library gives them: those of the vocabulary where it has the token, else the next free
// ones. A file that says otherwise gets a warning, as there.
std::vector<AddedToken> read_added_tokens(const TokenizerFile& file, const TokenTable& vocabulary);

}  // namespace distill
