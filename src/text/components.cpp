#include "components.h"

#include <algorithm>
#include <functional>
#include <set>

#include "distill/core/error.h"
#include "distill/core/log.h"

#include "frozen_classes.h"
#include "unicode.h"

namespace distill {
namespace {

constexpr const char* kAdvice = "Take tokenizer.json again from its source.";

const Json* find_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

[[noreturn]] void refuse_component(const std::string& where, const std::string& available, const std::string& found) {
  throw InputError({where, "one of " + available, "\"" + found + "\", which is not available yet",
                    "Use a model whose tokenizer has the listed parts only, or give the data as `input_ids`.", ""});
}

// Calls `read` for the component and, where it is a Sequence, for each of its members instead.
void for_each_component(const Json& component, const char* list, const std::string& where,
                        const std::function<void(const Json&, const std::string& type, const std::string& where)>& read) {
  if (!component.is_object()) throw InputError({where, "an object", component.type_name(), kAdvice, ""});
  const std::string type = json_string(component, "type", where);
  if (type != "Sequence") return read(component, type, where + " (" + type + ")");
  const Json& members = json_member(component, list, where);
  if (!members.is_array()) throw InputError({where + "." + list, "a list", members.type_name(), kAdvice, ""});
  for (size_t i = 0; i < members.size(); ++i)
    for_each_component(members[i], list, where + "." + list + "[" + std::to_string(i) + "]", read);
}

Pattern read_pattern(const Json& component, const std::string& where) {
  const Json& pattern = json_member(component, "pattern", where);
  const std::string here = where + ".pattern";
  if (!pattern.is_object()) throw InputError({here, R"({"String": ..} or {"Regex": ..})", pattern.type_name(), kAdvice, ""});
  if (find_member(pattern, "Regex")) return Regex(json_string(pattern, "Regex", here), here);
  std::string literal = json_string(pattern, "String", here);
  if (literal.empty()) throw InputError({here, "a string to look for", "\"\"", kAdvice, ""});
  return literal;
}

// What stands in the place of a match; longer ones would make gigabytes of a line.
std::string read_content(const Json& component, const char* key, const std::string& where) {
  constexpr size_t kLongestContent = 256;
  std::string content = json_string(component, key, where);
  if (content.size() <= kLongestContent) return content;
  throw InputError({where + "." + key, "at most 256 bytes", std::to_string(content.size()), kAdvice, ""});
}

char32_t read_character(const Json& component, const char* key, const std::string& where) {
  const std::string text = json_string(component, key, where);
  if (text.empty() || code_point_at(text, 0).num_bytes != text.size())
    throw InputError({where + "." + key, "one character", "\"" + text + "\"", kAdvice, ""});
  return code_point_at(text, 0).value;
}

SplitBehavior read_behavior(const Json& component, const std::string& where) {
  const std::string name = json_string(component, "behavior", where);
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  throw InputError({where + ".behavior", "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous",
                    "\"" + name + "\"", kAdvice, ""});
}

// `add_prefix_space: false` is the older way to say `never`.
PrependScheme read_prepend_scheme(const Json& component, const std::string& where) {
  const bool older = json_bool_or(component, "add_prefix_space", true, where);
  const std::string name = json_string_or(component, "prepend_scheme", older ? "always" : "never", where);
  if (name == "first" && older) return PrependScheme::first;
  if (name == "always" && older) return PrependScheme::always;
  if (name == "never") return PrependScheme::never;
  throw InputError(
      {where + ".prepend_scheme", "first, never or always, in accord with add_prefix_space", "\"" + name + "\"", kAdvice, ""});
}

Regex words_and_symbols() { return {"[" + kRustWord + "]+|[^" + kRustWord + "\\s]+", "the pattern of Whitespace"}; }

MetaspaceStep read_metaspace(const Json& component, const std::string& where) {
  std::string replacement;
  append_code_point(replacement, read_character(component, "replacement", where));
  return {replacement, read_prepend_scheme(component, where), json_bool_or(component, "split", true, where)};
}

FixedLengthStep read_fixed_length(const Json& component, const std::string& where) {
  const int64_t length = json_int_or(component, "length", 5, where);
  if (length < 1) throw InputError({where + ".length", "at least one character", std::to_string(length), kAdvice, ""});
  return {static_cast<size_t>(length)};
}

void read_pre_tokenizer_step(const Json& component, const std::string& type, const std::string& where,
                             std::vector<PreTokenizerStep>& steps) {
  if (type == "ByteLevel") {
    steps.emplace_back(ByteLevelStep{json_bool_or(component, "add_prefix_space", true, where),
                                     json_bool_or(component, "use_regex", true, where)});
  } else if (type == "Split") {
    steps.emplace_back(SplitStep{read_pattern(component, where), read_behavior(component, where),
                                 json_bool_or(component, "invert", false, where)});
  } else if (type == "Digits") {
    const bool individual = json_bool_or(component, "individual_digits", false, where);
    steps.emplace_back(ClassStep{is_numeric, individual ? SplitBehavior::isolated : SplitBehavior::contiguous});
  } else if (type == "Metaspace") {
    steps.emplace_back(read_metaspace(component, where));
  } else if (type == "BertPreTokenizer") {
    steps.emplace_back(ClassStep{is_white_space, SplitBehavior::removed});
    steps.emplace_back(ClassStep{is_punctuation, SplitBehavior::isolated});
  } else if (type == "Punctuation") {
    const bool says = find_member(component, "behavior");
    steps.emplace_back(ClassStep{is_punctuation, says ? read_behavior(component, where) : SplitBehavior::isolated});
  } else if (type == "Whitespace") {
    steps.emplace_back(SplitStep{words_and_symbols(), SplitBehavior::removed, true});
  } else if (type == "WhitespaceSplit") {
    steps.emplace_back(ClassStep{is_white_space, SplitBehavior::removed});
  } else if (type == "CharDelimiterSplit") {
    std::string delimiter;
    append_code_point(delimiter, read_character(component, "delimiter", where));
    steps.emplace_back(SplitStep{std::move(delimiter), SplitBehavior::removed, false});
  } else if (type == "UnicodeScripts") {
    steps.emplace_back(ScriptsStep{});
  } else if (type == "FixedLength") {
    steps.emplace_back(read_fixed_length(component, where));
  } else {
    refuse_component(where,
                     "ByteLevel, Split, CharDelimiterSplit, Digits, Metaspace, BertPreTokenizer, Punctuation, Whitespace, "
                     "WhitespaceSplit, UnicodeScripts, FixedLength, Sequence",
                     type);
  }
}

bool read_bool(const Json& component, const char* key, const std::string& where) {
  json_member(component, key, where);  // says that it is missing
  return json_bool_or(component, key, false, where);
}

size_t read_count(const Json& component, const char* key, const std::string& where) {
  const int64_t count = json_int(component, key, where);
  if (count < 0) throw InputError({where + "." + key, "a count", std::to_string(count), kAdvice, ""});
  return static_cast<size_t>(count);
}

DecoderStep read_decoder_step(const Json& component, const std::string& type, const std::string& where) {
  if (type == "ByteLevel") return DecodeByteLevel{};
  if (type == "ByteFallback") return DecodeByteFallback{};
  if (type == "Fuse") return FuseTokens{};
  if (type == "Strip")
    return StripTokens{read_character(component, "content", where), read_count(component, "start", where),
                       read_count(component, "stop", where)};
  if (type == "Replace") return ReplaceInTokens{read_pattern(component, where), read_content(component, "content", where)};
  if (type == "Metaspace")
    return DecodeMetaspace{read_character(component, "replacement", where),
                           read_prepend_scheme(component, where) != PrependScheme::never};
  if (type == "WordPiece")
    return DecodeWordPiece{json_string(component, "prefix", where), read_bool(component, "cleanup", where)};
  if (type == "BPEDecoder") return DecodeSuffix{json_string(component, "suffix", where)};
  if (type == "CTC")
    return DecodeCtc{json_string(component, "pad_token", where), json_string(component, "word_delimiter_token", where),
                     read_bool(component, "cleanup", where)};
  refuse_component(where, "ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, WordPiece, BPEDecoder, CTC, Sequence", type);
}

int32_t checked_id(const Json& id, int64_t num_ids, const std::string& where) {
  if (id.is_number_integer() && !(id.is_number_unsigned() && id.get<uint64_t>() > uint64_t{INT32_MAX}) &&
      id.get<int64_t>() >= 0 && id.get<int64_t>() < num_ids)
    return id.get<int32_t>();
  throw InputError(
      {where, "an id of the vocabulary or an added token", id.dump(-1, ' ', false, Json::error_handler_t::replace), kAdvice, ""});
}

std::vector<int32_t> read_special_token_ids(const Json& component, const std::string& name, int64_t num_ids,
                                            const std::string& where) {
  const std::string here = where + ".special_tokens";
  const Json& entry = json_member(json_member(component, "special_tokens", where), name.c_str(), here);
  const Json& ids = json_member(entry, "ids", here + "." + name);
  const std::string ids_here = here + "." + name + ".ids";
  if (!ids.is_array()) throw InputError({ids_here, "a list of ids", ids.type_name(), kAdvice, ""});
  std::vector<int32_t> out;
  for (const Json& id : ids) out.push_back(checked_id(id, num_ids, ids_here));
  return out;
}

WrapInTemplate read_template(const Json& component, int64_t num_ids, const std::string& where) {
  const Json& single = json_member(component, "single", where);
  if (!single.is_array()) throw InputError({where + ".single", "a list of pieces", single.type_name(), kAdvice, ""});
  constexpr size_t kMaxPieces = 64;
  if (single.size() > kMaxPieces)
    throw InputError({where + ".single", "at most 64 pieces", std::to_string(single.size()), kAdvice, ""});
  WrapInTemplate wrap;
  for (size_t i = 0; i < single.size(); ++i) {
    const std::string here = where + ".single[" + std::to_string(i) + "]";
    if (const Json* text = single[i].is_object() ? find_member(single[i], "Sequence") : nullptr) {
      if (json_string(*text, "id", here) != "A")
        throw InputError({here, "sequence A, the only one of a single text", "another", kAdvice, ""});
      wrap.pieces.emplace_back();
    } else {
      auto ids = read_special_token_ids(component, json_string(json_member(single[i], "SpecialToken", here), "id", here), num_ids,
                                        where);
      if (!ids.empty()) wrap.pieces.push_back(std::move(ids));
    }
  }
  return wrap;
}

// `"sep": ["[SEP]", 102]`.
std::vector<int32_t> read_token_and_id(const Json& component, const char* key, int64_t num_ids, const std::string& where) {
  const Json& pair = json_member(component, key, where);
  const std::string here = where + "." + key;
  if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string())
    throw InputError({here, "a token and its id", pair.dump(-1, ' ', false, Json::error_handler_t::replace), kAdvice, ""});
  return {checked_id(pair[1], num_ids, here)};
}

WrapInTemplate read_cls_and_sep(const Json& component, int64_t num_ids, const std::string& where) {
  return {{read_token_and_id(component, "cls", num_ids, where), {}, read_token_and_id(component, "sep", num_ids, where)}};
}

BpeOptions read_bpe_options(const Json& model, const std::string& where) {
  if (const double dropout = json_double_or(model, "dropout", 0, where); dropout != 0) {
    throw InputError(
        {where + ".dropout", "null or 0", "merge dropout, which is not available yet", "Set it to null in tokenizer.json.", ""});
  }
  BpeOptions options;
  if (find_member(model, "unk_token")) options.unk_token = json_string(model, "unk_token", where);
  options.continuing_subword_prefix = json_string_or(model, "continuing_subword_prefix", "", where);
  options.end_of_word_suffix = json_string_or(model, "end_of_word_suffix", "", where);
  options.fuse_unk = json_bool_or(model, "fuse_unk", false, where);
  options.byte_fallback = json_bool_or(model, "byte_fallback", false, where);
  options.ignore_merges = json_bool_or(model, "ignore_merges", false, where);
  return options;
}

WordPieceOptions read_wordpiece_options(const Json& model, const std::string& where) {
  WordPieceOptions options;
  options.unk_token = json_string(model, "unk_token", where);
  options.continuing_subword_prefix = json_string(model, "continuing_subword_prefix", where);
  options.max_input_chars_per_word = read_count(model, "max_input_chars_per_word", where);
  return options;
}

// Files before 2021 name no type; then merges mean BPE, a limit on the length of words means WordPiece, a list of tokens and
// scores means Unigram, and a vocabulary with an unknown token WordLevel.
std::string type_by_members(const Json& model, const TokenizerFile& file) {
  if (file.has_merges) return "BPE";
  if (find_member(model, "max_input_chars_per_word")) return "WordPiece";
  if (file.has_pieces) return "Unigram";
  return file.has_vocab && find_member(model, "unk_token") ? "WordLevel" : "without type or merges";
}

Unigram read_unigram(const Json& model, const TokenizerFile& file, const std::string& where) {
  if (!file.has_pieces) {
    throw InputError({where + ".vocab", "a list of tokens and their scores", file.has_vocab ? "an object" : "none", kAdvice, ""});
  }
  UnigramOptions options;
  if (find_member(model, "unk_id")) options.unk_id = json_int(model, "unk_id", where);
  options.byte_fallback = json_bool_or(model, "byte_fallback", false, where);
  return Unigram(file.pieces, options, where);
}

// BertNormalizer is a sequence of its own; strip_accents follows lowercase where it is null.
void read_bert_normalizer(const Json& component, const std::string& where, std::vector<NormalizerStep>& steps) {
  const bool lowercase = read_bool(component, "lowercase", where);
  if (read_bool(component, "clean_text", where)) steps.emplace_back(&clean_character);
  if (read_bool(component, "handle_chinese_chars", where)) steps.emplace_back(&set_apart_if_chinese);
  if (json_bool_or(component, "strip_accents", lowercase, where)) {
    steps.emplace_back(NormalForm::nfd);
    steps.emplace_back(&drop_nonspacing_mark);
  }
  if (lowercase) steps.emplace_back(&append_lowercase);
}

void read_normalizer_step(const Json& component, const std::string& type, const std::string& where,
                          std::vector<NormalizerStep>& steps) {
  if (type == "NFC") return void(steps.emplace_back(NormalForm::nfc));
  if (type == "NFD") return void(steps.emplace_back(NormalForm::nfd));
  if (type == "NFKC") return void(steps.emplace_back(NormalForm::nfkc));
  if (type == "NFKD") return void(steps.emplace_back(NormalForm::nfkd));
  if (type == "Prepend") return void(steps.emplace_back(PrependText{read_content(component, "prepend", where)}));
  if (type == "Replace")
    return void(steps.emplace_back(ReplaceText{read_pattern(component, where), read_content(component, "content", where)}));
  if (type == "Lowercase") return void(steps.emplace_back(&append_lowercase));
  if (type == "StripAccents") return void(steps.emplace_back(&drop_combining_mark));
  if (type == "BertNormalizer") return read_bert_normalizer(component, where, steps);
  if (type == "Strip")
    return void(
        steps.emplace_back(StripText{read_bool(component, "strip_left", where), read_bool(component, "strip_right", where)}));
  if (type == "Nmt") return void(steps.emplace_back(&clean_as_nmt));
  if (type == "ByteLevel") return void(steps.emplace_back(&spell_in_bytes));
  if (type == "Precompiled") {
    const std::string map = json_string(component, "precompiled_charsmap", where);
    return void(steps.emplace_back(Charsmap(map, where + ".precompiled_charsmap")));
  }
  refuse_component(where,
                   "NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Strip, StripAccents, Nmt, ByteLevel, Precompiled, "
                   "BertNormalizer, Sequence",
                   type);
}

AddedToken read_added_token(const Json& entry, const std::string& where) {
  constexpr size_t kLongestContent = 4096;
  if (!entry.is_object()) throw InputError({where, "an object", entry.type_name(), kAdvice, ""});
  AddedToken token;
  token.content = json_string(entry, "content", where);
  if (token.content.size() > kLongestContent)
    throw InputError({where + ".content", "at most 4096 bytes", std::to_string(token.content.size()), kAdvice, ""});
  token.special = json_bool_or(entry, "special", false, where);
  token.single_word = json_bool_or(entry, "single_word", false, where);
  token.lstrip = json_bool_or(entry, "lstrip", false, where);
  token.rstrip = json_bool_or(entry, "rstrip", false, where);
  token.normalized = json_bool_or(entry, "normalized", !token.special, where);
  return token;
}

// Gives ids in the order of the file, as the reference library does, and compares them with what the file says.
class AddedTokenNumbering {
 public:
  explicit AddedTokenNumbering(const TokenTable& vocabulary)
      : vocabulary_(vocabulary), next_(static_cast<int64_t>(vocabulary.size())) {}

  int32_t number(const AddedToken& token, int64_t id_in_file, const std::string& where) {
    if (id_in_file < 0 || id_in_file > kMaxTokenId || !ids_in_file_.insert(id_in_file).second) {
      throw InputError(
          {where + ".id", "an id of its own from 0 to " + std::to_string(kMaxTokenId), std::to_string(id_in_file), kAdvice, ""});
    }
    const std::optional<int32_t> known = vocabulary_.find(token.content);
    const auto id = known ? *known : static_cast<int32_t>(next_++);
    if (!known && vocabulary_.token(id)) {
      throw InputError({where, "the next free id, " + std::to_string(id) + ", to be free",
                        "the vocabulary's \"" + *vocabulary_.token(id) + "\"", kAdvice, ""});
    }
    if (id != id_in_file) {
      log::warn(where + ": \"" + token.content + "\" has id " + std::to_string(id_in_file) + " in the file and gets " +
                std::to_string(id) + ", as in the tokenizers library.");
    }
    return id;
  }

 private:
  const TokenTable& vocabulary_;
  int64_t next_;
  std::set<int64_t> ids_in_file_;
};

// Returns whether there is a template now; a second one has no meaning here.
bool read_post_processor_step(const Json& component, const std::string& type, const std::string& where, int64_t num_ids,
                              bool has_template, std::vector<PostProcessorStep>& steps) {
  const bool wraps = type == "TemplateProcessing" || type == "BertProcessing" || type == "RobertaProcessing";
  if (type == "ByteLevel" ? false : !wraps || has_template)
    refuse_component(where, "ByteLevel, one of TemplateProcessing, BertProcessing and RobertaProcessing, Sequence", type);
  if (type == "ByteLevel" || type == "RobertaProcessing") {
    if (json_bool_or(component, "trim_offsets", true, where))
      steps.emplace_back(TrimOffsets{json_bool_or(component, "add_prefix_space", true, where)});
  }
  if (wraps)
    steps.emplace_back(type == "TemplateProcessing" ? read_template(component, num_ids, where)
                                                    : read_cls_and_sep(component, num_ids, where));
  return has_template || wraps;
}

}  // namespace

void check_version(const TokenizerFile& file) {
  const std::string version = json_string_or(file.tree, "version", "1.0", file.path);
  if (version != "1.0") throw InputError({file.path + ": version", "\"1.0\"", "\"" + version + "\"", kAdvice, ""});
}

Model read_model(TokenizerFile& file) {
  const std::string where = file.path + ": model";
  const Json& model = json_member(file.tree, "model", file.path);
  if (!model.is_object()) throw InputError({where, "an object", model.type_name(), kAdvice, ""});
  const std::string type = json_string_or(model, "type", type_by_members(model, file), where);
  if (type == "Unigram") return read_unigram(model, file, where);
  if (type != "BPE" && type != "WordPiece" && type != "WordLevel")
    refuse_component(where, "BPE, WordPiece, WordLevel, Unigram", type);
  if (!file.has_vocab) {
    throw InputError({where + ".vocab", "an object of tokens and ids", file.has_pieces ? "a list" : "none", kAdvice, ""});
  }
  if (type == "WordLevel") {
    std::string unk_token = json_string(model, "unk_token", where);
    return WordLevel(TokenTable(std::move(file.vocab), where + ".vocab"), std::move(unk_token), where);
  }
  if (type == "WordPiece") {
    WordPieceOptions options = read_wordpiece_options(model, where);
    return WordPiece(TokenTable(std::move(file.vocab), where + ".vocab"), std::move(options), where);
  }
  if (!file.has_merges) throw InputError({where + ".merges", "a list of merges", "none", kAdvice, ""});
  BpeOptions options = read_bpe_options(model, where);
  TokenTable vocabulary(std::move(file.vocab), where + ".vocab");
  return Bpe(std::move(vocabulary), file.merges, std::move(options), where);
}

Normalizer read_normalizer(const TokenizerFile& file) {
  std::vector<NormalizerStep> steps;
  if (const Json* normalizer = find_member(file.tree, "normalizer"))
    for_each_component(*normalizer, "normalizers", file.path + ": normalizer",
                       [&](const Json& component, const std::string& type, const std::string& where) {
                         read_normalizer_step(component, type, where, steps);
                       });
  return Normalizer(std::move(steps));
}

PreTokenizer read_pre_tokenizer(const TokenizerFile& file) {
  std::vector<PreTokenizerStep> steps;
  if (const Json* pre_tokenizer = find_member(file.tree, "pre_tokenizer"))
    for_each_component(*pre_tokenizer, "pretokenizers", file.path + ": pre_tokenizer",
                       [&](const Json& component, const std::string& type, const std::string& where) {
                         read_pre_tokenizer_step(component, type, where, steps);
                       });
  return PreTokenizer(std::move(steps));
}

PostProcessor read_post_processor(const TokenizerFile& file, int64_t num_ids) {
  std::vector<PostProcessorStep> steps;
  const Json* post_processor = find_member(file.tree, "post_processor");
  if (!post_processor) return PostProcessor();
  bool has_template = false;
  for_each_component(*post_processor, "processors", file.path + ": post_processor",
                     [&](const Json& component, const std::string& type, const std::string& where) {
                       has_template = read_post_processor_step(component, type, where, num_ids, has_template, steps);
                     });
  return PostProcessor(std::move(steps));
}

std::optional<Decoder> read_decoder(const TokenizerFile& file) {
  const Json* decoder = find_member(file.tree, "decoder");
  if (!decoder) return std::nullopt;
  std::vector<DecoderStep> steps;
  for_each_component(*decoder, "decoders", file.path + ": decoder",
                     [&](const Json& component, const std::string& type, const std::string& where) {
                       steps.push_back(read_decoder_step(component, type, where));
                     });
  return Decoder(std::move(steps));
}

std::vector<AddedToken> read_added_tokens(const TokenizerFile& file, const TokenTable& vocabulary) {
  std::vector<AddedToken> tokens;
  const Json* entries = find_member(file.tree, "added_tokens");
  if (!entries) return tokens;
  if (!entries->is_array()) throw InputError({file.path + ": added_tokens", "a list", entries->type_name(), kAdvice, ""});
  AddedTokenNumbering numbering(vocabulary);
  std::set<std::string> contents;
  for (size_t i = 0; i < entries->size(); ++i) {
    const std::string where = file.path + ": added_tokens[" + std::to_string(i) + "]";
    AddedToken token = read_added_token((*entries)[i], where);
    if (token.content.empty()) continue;
    if (!contents.insert(token.content).second)
      throw InputError({where, "every token once", "\"" + token.content + "\" again", "Remove one of them.", ""});
    token.id = numbering.number(token, json_int((*entries)[i], "id", where), where);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace distill
