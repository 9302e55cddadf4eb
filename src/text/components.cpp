#include "components.h"

#include <algorithm>
#include <functional>
#include <set>

#include "distill/core/error.h"
#include "distill/core/log.h"

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

PreTokenizerStep read_pre_tokenizer_step(const Json& component, const std::string& type, const std::string& where) {
  if (type == "ByteLevel") {
    return ByteLevelStep{json_bool_or(component, "add_prefix_space", true, where),
                         json_bool_or(component, "use_regex", true, where)};
  }
  if (type == "Split")
    return SplitStep{read_pattern(component, where), read_behavior(component, where),
                     json_bool_or(component, "invert", false, where)};
  if (type == "Digits") return DigitsStep{json_bool_or(component, "individual_digits", false, where)};
  if (type == "Metaspace") {
    std::string replacement;
    append_code_point(replacement, read_character(component, "replacement", where));
    return MetaspaceStep{replacement, read_prepend_scheme(component, where), json_bool_or(component, "split", true, where)};
  }
  refuse_component(where, "ByteLevel, Split, Digits, Metaspace, Sequence", type);
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
  if (type == "Replace") return ReplaceInTokens{read_pattern(component, where), json_string(component, "content", where)};
  if (type == "Metaspace")
    return DecodeMetaspace{read_character(component, "replacement", where),
                           read_prepend_scheme(component, where) != PrependScheme::never};
  refuse_component(where, "ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, Sequence", type);
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

}  // namespace

void check_version(const TokenizerFile& file) {
  const std::string version = json_string_or(file.tree, "version", "1.0", file.path);
  if (version != "1.0") throw InputError({file.path + ": version", "\"1.0\"", "\"" + version + "\"", kAdvice, ""});
}

Bpe read_model(TokenizerFile& file) {
  const std::string where = file.path + ": model";
  const Json& model = json_member(file.tree, "model", file.path);
  if (!model.is_object()) throw InputError({where, "an object", model.type_name(), kAdvice, ""});
  // Files before 2021 name no type; then merges mean BPE.
  const std::string type = json_string_or(model, "type", file.has_merges ? "BPE" : "without type or merges", where);
  if (type != "BPE") refuse_component(where, "BPE", type);
  if (!file.has_vocab) throw InputError({where + ".vocab", "an object of tokens and ids", "none", kAdvice, ""});
  if (!file.has_merges) throw InputError({where + ".merges", "a list of merges", "none", kAdvice, ""});
  BpeOptions options = read_bpe_options(model, where);
  TokenTable vocabulary(std::move(file.vocab), where + ".vocab");
  return {std::move(vocabulary), file.merges, std::move(options), where};
}

Normalizer read_normalizer(const TokenizerFile& file) {
  std::vector<NormalizerStep> steps;
  const Json* normalizer = find_member(file.tree, "normalizer");
  if (!normalizer) return Normalizer();
  for_each_component(
      *normalizer, "normalizers", file.path + ": normalizer",
      [&](const Json& component, const std::string& type, const std::string& where) {
        if (type == "NFC")
          steps.emplace_back(ComposeCanonically{});
        else if (type == "Prepend")
          steps.emplace_back(PrependText{json_string(component, "prepend", where)});
        else if (type == "Replace")
          steps.emplace_back(ReplaceText{read_pattern(component, where), json_string(component, "content", where)});
        else
          refuse_component(where, "NFC, Prepend, Replace, Sequence", type);
      });
  return Normalizer(std::move(steps));
}

PreTokenizer read_pre_tokenizer(const TokenizerFile& file) {
  std::vector<PreTokenizerStep> steps;
  if (const Json* pre_tokenizer = find_member(file.tree, "pre_tokenizer"))
    for_each_component(*pre_tokenizer, "pretokenizers", file.path + ": pre_tokenizer",
                       [&](const Json& component, const std::string& type, const std::string& where) {
                         steps.push_back(read_pre_tokenizer_step(component, type, where));
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
                       if (type == "ByteLevel") {
                         if (json_bool_or(component, "trim_offsets", true, where))
                           steps.emplace_back(TrimOffsets{json_bool_or(component, "add_prefix_space", true, where)});
                       } else if (type == "TemplateProcessing" && !has_template) {
                         steps.emplace_back(read_template(component, num_ids, where));
                         has_template = true;
                       } else {
                         refuse_component(where, "ByteLevel, one TemplateProcessing, Sequence", type);
                       }
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
