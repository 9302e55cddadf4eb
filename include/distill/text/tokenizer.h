// The only header of this room that others include: text to token ids and back, as the `tokenizers` library does it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace distill {

struct Encoding {
  std::vector<int32_t> ids;
  // Byte range of the input that each id came from; {0, 0} for tokens that the post-processor added.
  std::vector<std::pair<uint32_t, uint32_t>> offsets;
};

// Immutable after loading and safe to use from many threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Throws InputError when the text is not valid UTF-8.
  virtual Encoding encode(std::string_view text, bool add_special_tokens) const = 0;
  virtual std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const = 0;

  // Largest id + 1 over vocabulary and added tokens.
  virtual int64_t num_ids() const = 0;
  virtual std::optional<int32_t> id_of(std::string_view token) const = 0;
  // The token as the vocabulary spells it; nullopt for an id that it does not name.
  virtual std::optional<std::string> token_of(int32_t id) const = 0;

  // The end-of-sequence id: `eos_token` of tokenizer_config.json or special_tokens_map.json (a string or an object with
  // `content`), else `eos_token_id` of generation_config.json or config.json; nullopt when none of them names one.
  virtual std::optional<int32_t> eos_id() const = 0;
  // What masked language modelling puts in a token's place: `mask_token` of the same two files, else the special token that
  // is spelled [MASK] or <mask>; nullopt without one, or when tokenizer.json does not have the named token.
  virtual std::optional<int32_t> mask_id() const = 0;
  // The padding id, found in the same way: `pad_token`, else [PAD] or <pad>.
  virtual std::optional<int32_t> pad_id() const = 0;
  // True for the ids of added tokens that tokenizer.json marks as special.
  virtual bool is_special(int32_t id) const = 0;
  // Hash of tokenizer.json's bytes, or of the other vocabulary files' and what the settings beside them make of it.
  virtual uint64_t fingerprint() const = 0;
};

// Reads <folder>/tokenizer.json and the ids named beside it; without that file tokenizer.model, spiece.model,
// sentencepiece.bpe.model, vocab.txt, or vocab.json with merges.txt, as transformers converts it. InputError names the file and
// the component that is wrong or not available yet.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& folder);
// True when the folder holds a tokenizer.json, a SentencePiece model, a vocab.txt, or a vocab.json with merges.txt.
bool has_tokenizer(const std::filesystem::path& folder);
bool has_tokenizer_json(const std::filesystem::path& folder);

}  // namespace distill
