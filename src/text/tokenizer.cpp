// The order of the reference library: added tokens in the raw text, normalization, added tokens in the normalized text,
// pieces, model, post-processing.
#include "distill/text/tokenizer.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "distill/core/error.h"
#include "distill/core/file.h"

#include "bert_folder.h"
#include "byte_bpe_folder.h"
#include "components.h"
#include "named_ids.h"
#include "sentencepiece_folder.h"
#include "unicode.h"

namespace distill {
namespace {

// Everything that one encode() or decode() writes to besides its result.
struct Scratch {
  PieceScratch pieces;
  BpeScratch bpe;
  WordPieceScratch wordpiece;
  UnigramScratch unigram;
  std::vector<Section> raw_sections;
  std::vector<Section> sections;
  std::vector<Symbol> symbols;
  std::vector<TextToken> tokens;
};

// As many scratches as calls have ever run at once; each keeps its piece cache for the next call.
class ScratchPool {
 public:
  class Lease {
   public:
    Lease(ScratchPool& pool, std::unique_ptr<Scratch> scratch) : pool_(pool), scratch_(std::move(scratch)) {}
    ~Lease() { pool_.give_back(std::move(scratch_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Scratch& operator*() const { return *scratch_; }

   private:
    ScratchPool& pool_;
    std::unique_ptr<Scratch> scratch_;
  };

  Lease borrow() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return {*this, std::make_unique<Scratch>()};
    std::unique_ptr<Scratch> scratch = std::move(free_.back());
    free_.pop_back();
    return {*this, std::move(scratch)};
  }

 private:
  void give_back(std::unique_ptr<Scratch> scratch) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(scratch));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> free_;
};

void check_text(std::string_view text) {
  constexpr size_t kLongestText = size_t{1} << 31;
  if (text.size() >= kLongestText)
    throw InputError({"text to tokenize", "less than 2 GiB", std::to_string(text.size()) + " bytes", "Split the text.", ""});
  if (const auto at = find_invalid_utf8(text)) {
    throw InputError(
        {"text to tokenize", "UTF-8", "an ill-formed sequence at byte " + std::to_string(*at), "Convert the data to UTF-8.", ""});
  }
}

class TokenizerOfFile : public Tokenizer {
 public:
  TokenizerOfFile(TokenizerFile file, uint64_t fingerprint);

  Encoding encode(std::string_view text, bool add_special_tokens) const override;
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const override;
  int64_t num_ids() const override { return num_ids_; }
  std::optional<int32_t> id_of(std::string_view token) const override;
  std::optional<std::string> token_of(int32_t id) const override;
  std::optional<int32_t> eos_id() const override { return named_.eos; }
  std::optional<int32_t> mask_id() const override { return named_.mask; }
  std::optional<int32_t> pad_id() const override { return named_.pad; }
  bool is_special(int32_t id) const override;
  uint64_t fingerprint() const override { return fingerprint_; }
  void set_named_ids(NamedIds named) { named_ = named; }

 private:
  void prepare_added_tokens();
  void prepare_spaces();
  const AddedToken* added_token(int32_t id) const;
  void encode_normalized(const AlignedText& text, Scratch& scratch) const;
  void encode_pieces(Scratch& scratch) const;
  void push_added_token(const AddedToken& token, std::string_view spelling, SourceSpan source, Scratch& scratch) const;
  std::optional<std::string> spelling_for_decoder(int32_t id) const;

  void encode_piece(std::string_view piece, Scratch& scratch) const;
  SpaceCounts spaces_of(int32_t id, std::string_view covered) const;

  Model model_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  std::vector<AddedToken> added_tokens_;
  int64_t num_ids_;
  PostProcessor post_processor_;
  std::optional<Decoder> decoder_;
  uint64_t fingerprint_;
  NamedIds named_;

  std::unordered_map<std::string_view, const AddedToken*> added_by_content_;
  std::unordered_map<int32_t, const AddedToken*> added_by_id_;
  std::unordered_map<int32_t, std::string> normalized_contents_;  // of added tokens that normalization changes
  std::unordered_set<std::string_view> special_contents_;
  AddedTokenMatcher raw_matcher_;
  AddedTokenMatcher normalized_matcher_;
  std::vector<SpaceCounts> spaces_;  // by id; empty when offsets are not trimmed
  int32_t text_spelled_id_ = -1;
  mutable ScratchPool pool_;
};

int64_t count_ids(const TokenTable& vocabulary, const std::vector<AddedToken>& added_tokens) {
  int64_t count = vocabulary.num_ids();
  for (const AddedToken& token : added_tokens) count = std::max<int64_t>(count, int64_t{token.id} + 1);
  return count;
}

const TokenTable& vocabulary_of(const Model& model) {
  return std::visit([](const auto& one) -> const TokenTable& { return one.vocabulary(); }, model);
}

TokenizerOfFile::TokenizerOfFile(TokenizerFile file, uint64_t fingerprint)
    : model_(read_model(file)),
      normalizer_(read_normalizer(file)),
      pre_tokenizer_(read_pre_tokenizer(file)),
      added_tokens_(read_added_tokens(file, vocabulary_of(model_))),
      num_ids_(count_ids(vocabulary_of(model_), added_tokens_)),
      post_processor_(read_post_processor(file, num_ids_)),
      decoder_(read_decoder(file)),
      fingerprint_(fingerprint) {
  if (Bpe* bpe = std::get_if<Bpe>(&model_); bpe && pre_tokenizer_.ends_in_byte_level() && bpe->can_read_raw_bytes()) {
    pre_tokenizer_.leave_bytes_raw();
    bpe->read_raw_bytes();
  }
  prepare_added_tokens();
  prepare_spaces();
}

void TokenizerOfFile::prepare_added_tokens() {
  RegexScratch scratch;
  for (const AddedToken& token : added_tokens_) {
    added_by_content_.emplace(token.content, &token);
    added_by_id_.emplace(token.id, &token);
    if (token.special) special_contents_.insert(token.content);
    if (!token.normalized) {
      raw_matcher_.add(token.content, token);
      continue;
    }
    AlignedText normalized;
    normalized.text = token.content;
    normalizer_.apply(normalized, scratch);
    if (normalized.text != token.content) normalized_contents_.emplace(token.id, normalized.text);
    normalized_matcher_.add(normalized.text, token);
  }
}

void TokenizerOfFile::prepare_spaces() {
  if (!post_processor_.trims_offsets()) return;
  if (const auto* unigram = std::get_if<Unigram>(&model_)) text_spelled_id_ = unigram->unknown_id();
  spaces_.assign(static_cast<size_t>(vocabulary_of(model_).num_ids()), SpaceCounts{0, 0});
  for (const auto& [token, id] : vocabulary_of(model_).tokens()) spaces_[static_cast<size_t>(id)] = count_spaces(token);
}

Encoding TokenizerOfFile::encode(std::string_view text, bool add_special_tokens) const {
  check_text(text);
  const ScratchPool::Lease lease = pool_.borrow();
  Scratch& scratch = *lease;
  scratch.tokens.clear();
  raw_matcher_.find(text, scratch.pieces.regex, scratch.raw_sections);
  for (const Section& section : scratch.raw_sections) {
    const std::string_view part = text.substr(section.begin, section.end - section.begin);
    const auto begin = static_cast<uint32_t>(section.begin);
    if (section.token) {
      push_added_token(*section.token, part, {begin, static_cast<uint32_t>(section.end)}, scratch);
      continue;
    }
    scratch.pieces.texts.clear();
    AlignedText& normalized = scratch.pieces.texts.emplace_back();
    normalized.text = part;
    normalized.origin = begin;
    normalizer_.apply(normalized, scratch.pieces.regex);
    encode_normalized(normalized, scratch);
  }
  return post_processor_.apply(text, scratch.tokens, add_special_tokens);
}

void TokenizerOfFile::encode_normalized(const AlignedText& text, Scratch& scratch) const {
  normalized_matcher_.find(text.text, scratch.pieces.regex, scratch.sections);
  for (const Section& section : scratch.sections) {
    const Piece piece{&text, static_cast<uint32_t>(section.begin), static_cast<uint32_t>(section.end)};
    if (section.token) {
      push_added_token(*section.token, piece.text(), piece.source(), scratch);
      continue;
    }
    scratch.pieces.pieces.assign(1, piece);
    pre_tokenizer_.apply(scratch.pieces);
    encode_pieces(scratch);
  }
}

void TokenizerOfFile::encode_piece(std::string_view piece, Scratch& scratch) const {
  if (const auto* bpe = std::get_if<Bpe>(&model_))
    bpe->encode(piece, scratch.bpe, scratch.symbols);
  else if (const auto* unigram = std::get_if<Unigram>(&model_))
    unigram->encode(piece, scratch.unigram, scratch.symbols);
  else if (const auto* wordpiece = std::get_if<WordPiece>(&model_))
    wordpiece->encode(piece, scratch.wordpiece, scratch.symbols);
  else
    std::get<WordLevel>(model_).encode(piece, scratch.symbols);
}

// What a token spells is the vocabulary's, but for Unigram's unknown token, which spells the text that it covers.
SpaceCounts TokenizerOfFile::spaces_of(int32_t id, std::string_view covered) const {
  if (spaces_.empty()) return {0, 0};
  return id == text_spelled_id_ ? count_spaces(covered) : spaces_[static_cast<size_t>(id)];
}

void TokenizerOfFile::encode_pieces(Scratch& scratch) const {
  for (const Piece& piece : scratch.pieces.pieces) {
    scratch.symbols.clear();
    encode_piece(piece.text(), scratch);
    uint32_t at = piece.begin;
    SourceSpan source{0, 0};
    for (const Symbol& symbol : scratch.symbols) {
      const uint32_t end = std::min(at + symbol.num_bytes, piece.end);
      if (symbol.num_bytes > 0)
        source = at < end ? piece.owner->source(at, end) : SourceSpan{piece.source().end, piece.source().end};
      const SpaceCounts spaces = spaces_of(symbol.id, piece.text().substr(at - piece.begin, end - at));
      scratch.tokens.push_back({symbol.id, source.begin, source.end, spaces.leading, spaces.trailing});
      at = end;
    }
  }
}

void TokenizerOfFile::push_added_token(const AddedToken& token, std::string_view spelling, SourceSpan source,
                                       Scratch& scratch) const {
  const SpaceCounts spaces = spaces_.empty() ? SpaceCounts{0, 0} : count_spaces(spelling);
  scratch.tokens.push_back({token.id, source.begin, source.end, spaces.leading, spaces.trailing});
}

const AddedToken* TokenizerOfFile::added_token(int32_t id) const {
  const auto found = added_by_id_.find(id);
  return found == added_by_id_.end() ? nullptr : found->second;
}

// An added token that is looked for in normalized form is also decoded from it.
std::optional<std::string> TokenizerOfFile::spelling_for_decoder(int32_t id) const {
  if (const auto normalized = normalized_contents_.find(id); normalized != normalized_contents_.end()) return normalized->second;
  return token_of(id);
}

// Ids that name no token are left out, as in the reference library.
std::string TokenizerOfFile::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    std::optional<std::string> token = spelling_for_decoder(id);
    if (token && !(skip_special_tokens && special_contents_.count(*token))) tokens.push_back(std::move(*token));
  }
  if (decoder_) return decoder_->apply(std::move(tokens), (*pool_.borrow()).pieces.regex);
  std::string out;
  for (const std::string& token : tokens) out += (&token == tokens.data() ? "" : " ") + token;
  return out;
}

std::optional<int32_t> TokenizerOfFile::id_of(std::string_view token) const {
  if (const auto found = added_by_content_.find(token); found != added_by_content_.end()) return found->second->id;
  return vocabulary_of(model_).find(token);
}

std::optional<std::string> TokenizerOfFile::token_of(int32_t id) const {
  if (const AddedToken* added = added_token(id)) return added->content;
  if (const std::string* token = vocabulary_of(model_).token(id)) return *token;
  return std::nullopt;
}

bool TokenizerOfFile::is_special(int32_t id) const {
  const AddedToken* added = added_token(id);
  return added && added->special;
}

}  // namespace

namespace {

std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "tokenizer.json";
  const std::string text = read_file(path, uint64_t{1} << 30);
  TokenizerFile file = parse_tokenizer_file(text, path.string());
  check_version(file);
  auto tokenizer = std::make_unique<TokenizerOfFile>(std::move(file), hash_text(text));
  tokenizer->set_named_ids(find_named_ids(folder, *tokenizer));
  return tokenizer;
}

std::unique_ptr<Tokenizer> make_tokenizer(const std::filesystem::path& folder, ConvertedTokenizer converted) {
  auto tokenizer = std::make_unique<TokenizerOfFile>(std::move(converted.file), converted.fingerprint);
  NamedIds named = find_named_ids(folder, *tokenizer);
  if (!named.eos && !converted.eos_token.empty()) named.eos = tokenizer->id_of(converted.eos_token);
  tokenizer->set_named_ids(named);
  return tokenizer;
}

}  // namespace

bool has_tokenizer_json(const std::filesystem::path& folder) {
  return std::filesystem::is_regular_file(folder / "tokenizer.json");
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& folder) {
  if (has_tokenizer_json(folder)) return load_tokenizer_json(folder);
  if (const auto model = find_sentencepiece_model(folder))
    return make_tokenizer(folder, convert_sentencepiece_folder(folder, *model));
  if (has_bert_vocabulary(folder)) return make_tokenizer(folder, convert_bert_folder(folder));
  if (has_byte_bpe_vocabulary(folder)) return make_tokenizer(folder, convert_byte_bpe_folder(folder));
  return load_tokenizer_json(folder);
}

bool has_tokenizer(const std::filesystem::path& folder) {
  return has_tokenizer_json(folder) || find_sentencepiece_model(folder) || has_bert_vocabulary(folder) ||
         has_byte_bpe_vocabulary(folder);
}

}  // namespace distill
