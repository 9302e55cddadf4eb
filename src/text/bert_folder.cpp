#include "bert_folder.h"

#include <unordered_set>

#include "distill/core/file.h"

#include "unicode.h"

namespace distill {
namespace {

const RoleNames& role_names() {
  static const RoleNames names = {
      {"unk_token", "[UNK]"}, {"sep_token", "[SEP]"}, {"pad_token", "[PAD]"}, {"cls_token", "[CLS]"}, {"mask_token", "[MASK]"}};
  return names;
}

// With another model_type transformers takes another class, whatever tokenizer_class says.
void check_class(const SettingsFile& settings, const SettingsFile& config) {
  const std::string name = class_name(settings);
  const auto refuse = [](const std::string& where, const std::string& found) {
    throw InputError({where, "with vocab.txt and no tokenizer.json, BERT's or DistilBERT's", "\"" + found + "\"", kSave, ""});
  };
  if (!name.empty() && name != "BertTokenizer" && name != "DistilBertTokenizer")
    refuse(settings.path + ": tokenizer_class", name);
  const std::string model_type = json_string_or(config.tree, "model_type", "", config.path);
  if (model_type != "bert" && model_type != "distilbert") refuse(config.path + ": model_type", model_type);
}

void check_settings(const SettingsFile& file) {
  for (const char* key : {"extra_special_tokens", "additional_special_tokens"}) {
    const Json* tokens = find_member(file.tree, key);
    if (tokens && !tokens->empty())
      throw InputError({file.path + ": " + key, "no such tokens", dump(*tokens) + ", which is not available yet", kSave, ""});
  }
  if (json_bool_or(file.tree, "split_special_tokens", false, file.path))
    throw InputError({file.path + ": split_special_tokens", "false", "true, which is not available yet", kSave, ""});
}

// A token a line; the place of the line is the id.
void fill_vocabulary(const std::string& text, TokenizerFile& file) {
  std::unordered_set<std::string_view> seen;
  const auto refuse = [&](const std::string& expected, const std::string& found) {
    throw InputError(
        {file.path + ":" + std::to_string(file.vocab.size() + 1), expected, found, "Take vocab.txt again from its source.", ""});
  };
  file.has_vocab = true;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view token = std::string_view(text).substr(at, end - at);
    if (find_invalid_utf8(token)) refuse("UTF-8", "an ill-formed sequence");
    if (token.find('\r') != token.npos) refuse("lines that end in a line feed", "a carriage return");
    if (!seen.insert(token).second) refuse("every token once", "\"" + std::string(token) + "\" again");
    file.vocab.emplace_back(token, static_cast<int64_t>(file.vocab.size()));
    at = end + 1;
  }
}

Json normalizer(const SettingsFile& settings) {
  Json out = {{"type", "BertNormalizer"}, {"clean_text", true}, {"strip_accents", nullptr}};
  out["handle_chinese_chars"] = json_bool_or(settings.tree, "tokenize_chinese_chars", true, settings.path);
  out["lowercase"] = json_bool_or(settings.tree, "do_lower_case", true, settings.path);
  if (find_member(settings.tree, "strip_accents"))
    out["strip_accents"] = json_bool_or(settings.tree, "strip_accents", false, settings.path);
  return out;
}

Json post_processor(const NamedTokens& named, const AddedTokens& added) {
  const std::string &cls = named.content("cls_token"), &sep = named.content("sep_token");
  return {{"type", "BertProcessing"}, {"sep", Json::array({sep, added.id(sep)})}, {"cls", Json::array({cls, added.id(cls)})}};
}

}  // namespace

bool has_bert_vocabulary(const std::filesystem::path& folder) { return std::filesystem::is_regular_file(folder / "vocab.txt"); }

ConvertedTokenizer convert_bert_folder(const std::filesystem::path& folder) {
  const SettingsFile settings = read_settings(folder / "tokenizer_config.json");
  check_class(settings, read_settings(folder / "config.json"));
  check_settings(settings);
  const NamedTokens named = read_names(role_names(), folder, settings, check_settings);
  ConvertedTokenizer out{};
  out.file.path = (folder / "vocab.txt").string();
  const std::string text = read_file(out.file.path, uint64_t{64} << 20);
  fill_vocabulary(text, out.file);
  AddedTokens added(out.file, named);
  add_listed_tokens(settings, added);
  for (const char* role : kRoles)
    if (const NewToken* token = named.find(role); token && !added.has(token->content)) added.add(*token, std::nullopt);
  Json& tree = out.file.tree;
  tree = {{"version", "1.0"}, {"normalizer", normalizer(settings)}};
  tree["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  tree["post_processor"] = post_processor(named, added);
  tree["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  tree["model"] = {{"type", "WordPiece"},
                   {"unk_token", named.content("unk_token")},
                   {"continuing_subword_prefix", "##"},
                   {"max_input_chars_per_word", 100}};
  tree["added_tokens"] = added.take();
  out.fingerprint = hash_text(dump(tree) + text);
  return out;
}

}  // namespace distill
