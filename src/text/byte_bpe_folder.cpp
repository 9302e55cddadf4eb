// The parts of the tokenizer are the class's; only the vocabulary, the merges and the names of tokens are the folder's.
#include "byte_bpe_folder.h"

#include <string_view>
#include <unordered_set>

#include "distill/core/file.h"

#include "unicode.h"

namespace distill {
namespace {

constexpr uint64_t kLargestFile = uint64_t{64} << 20;
constexpr const char* kQwen2Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

enum class Kind { gpt2, roberta, qwen2 };

struct ClassRow {
  Kind kind;
  const char* name;
  std::vector<const char*> model_types;
  RoleNames names;
};

const std::vector<ClassRow>& class_table() {
  static constexpr const char* kEnd = "<|endoftext|>";
  static const std::vector<ClassRow> table = {
      {Kind::gpt2, "GPT2Tokenizer", {"gpt2", "gptj"}, {{"bos_token", kEnd}, {"eos_token", kEnd}, {"unk_token", kEnd}}},
      {Kind::roberta,
       "RobertaTokenizer",
       {"roberta"},
       {{"bos_token", "<s>"},
        {"eos_token", "</s>"},
        {"unk_token", "<unk>"},
        {"sep_token", "</s>"},
        {"pad_token", "<pad>"},
        {"cls_token", "<s>"},
        {"mask_token", "<mask>"}}},
      {Kind::qwen2, "Qwen2Tokenizer", {"qwen2", "qwen3"}, {{"eos_token", kEnd}, {"unk_token", kEnd}, {"pad_token", kEnd}}}};
  return table;
}

[[noreturn]] void refuse_class(const std::string& where, const std::string& found) {
  refuse_class_of(class_table(), "vocab.json, merges.txt", where, found);
}

// With a model_type of another class transformers may take that one, whatever tokenizer_class says.
const ClassRow& class_of(const SettingsFile& settings, const SettingsFile& config) {
  const std::string name = class_name(settings);
  const std::string model_type = json_string_or(config.tree, "model_type", "", config.path);
  for (const ClassRow& row : class_table()) {
    if (name.empty() ? !has_model_type(row, model_type) : name != row.name) continue;
    if (!model_type.empty() && !has_model_type(row, model_type))
      refuse_class(config.path + ": model_type", std::string("\"").append(model_type).append("\" with ").append(name));
    return row;
  }
  refuse_class(settings.path + ": tokenizer_class",
               name.empty() ? "none (model_type \"" + model_type + "\")" : "\"" + name + "\"");
}

void check_settings(const SettingsFile& file) {
  if (json_bool_or(file.tree, "split_special_tokens", false, file.path))
    throw InputError({file.path + ": split_special_tokens", "false", "true, which is not available yet", kSave, ""});
}

void fill_vocabulary(TokenizerFile& file, const Json& vocabulary) {
  if (!vocabulary.is_object()) throw InputError({file.path, "an object of tokens and ids", vocabulary.type_name(), kCorrect, ""});
  file.has_vocab = true;
  for (const auto& [token, id] : vocabulary.items()) {
    if (!id.is_number_integer() || (id.is_number_unsigned() && id.get<uint64_t>() > uint64_t{INT32_MAX}))
      throw InputError({file.path + ": \"" + token + "\"", "an id", dump(id), kCorrect, ""});
    file.vocab.emplace_back(token, id.get<int64_t>());
  }
}

class MergeLines {
 public:
  MergeLines(const TokenizerFile& file, std::string path) : path_(std::move(path)) {
    for (const auto& [token, id] : file.vocab) tokens_.insert(token);
  }

  // "a b"; the first line of most files says "#version: 0.2".
  void read(std::string_view line, TokenizerFile& file) {
    ++number_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (find_invalid_utf8(line)) refuse("UTF-8", "an ill-formed sequence");
    if (line.starts_with("#version")) return;
    const size_t space = line.find(' ');
    if (space == line.npos || line.find(' ', space + 1) != line.npos)
      refuse("two tokens with a space between them", "\"" + std::string(line.substr(0, 100)) + "\"");
    std::string left(line.substr(0, space)), right(line.substr(space + 1));
    for (const std::string& token : {left, right, left + right})
      if (!tokens_.contains(token)) refuse("tokens of vocab.json, and their merge in it", "\"" + token + "\", which is not");
    file.merges.emplace_back(std::move(left), std::move(right));
  }

 private:
  [[noreturn]] void refuse(const std::string& expected, const std::string& found) const {
    throw InputError(
        {path_ + ":" + std::to_string(number_), expected, found, "Use vocab.json and merges.txt of the same model.", ""});
  }

  std::string path_;
  size_t number_ = 0;
  std::unordered_set<std::string> tokens_;
};

void fill_merges(TokenizerFile& file, const std::string& path, std::string_view text) {
  file.has_merges = true;
  MergeLines lines(file, path);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.read(text.substr(at, end - at), file);
    at = end + 1;
  }
}

void append_extra_tokens(const SettingsFile& file, const char* key, std::vector<std::string>& tokens) {
  const Json* list = find_member(file.tree, key);
  if (!list) return;
  const std::string where = file.path + ": " + key;
  const auto refuse = [&](const Json& found) {
    throw InputError({where, "a list of strings", dump(found) + ", which is not available yet", kSave, ""});
  };
  if (!list->is_array()) refuse(*list);
  for (const Json& token : *list) {
    if (!token.is_string()) refuse(token);
    tokens.push_back(token.get<std::string>());
  }
}

// Special tokens without a role: the older name counts where the newer one has none, the older file's where the newer has none.
std::vector<std::string> extra_tokens(const SettingsFile& settings, const SettingsFile& map) {
  std::vector<std::string> tokens;
  append_extra_tokens(settings, "extra_special_tokens", tokens);
  if (tokens.empty()) append_extra_tokens(settings, "additional_special_tokens", tokens);
  append_extra_tokens(map, "extra_special_tokens", tokens);
  if (tokens.empty()) append_extra_tokens(map, "additional_special_tokens", tokens);
  return tokens;
}

// A listed token keeps its flags; of two roles with one token the last says them. Qwen2's class gives all of them again, without.
void add_all_tokens(const ClassRow& row, const SettingsFile& settings, const NamedTokens& named,
                    const std::vector<std::string>& extra, AddedTokens& added) {
  add_listed_tokens(settings, added);
  std::vector<NewToken> wanted;
  for (const char* role : kRoles)
    if (const NewToken* token = named.find(role)) wanted.push_back(*token);
  for (const std::string& token : extra) wanted.push_back({token, true, false});
  std::unordered_set<std::string> listed;
  for (const NewToken& token : wanted)
    if (added.has(token.content)) listed.insert(token.content);
  for (const NewToken& token : wanted)
    if (!listed.contains(token.content)) added.add(token, std::nullopt);
  if (row.kind != Kind::qwen2) return;
  for (const NewToken& token : wanted) added.add({token.content, true, false}, std::nullopt);
}

Json byte_level(bool add_prefix_space, bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json qwen2_words(bool add_prefix_space) {
  const Json split = {{"type", "Split"}, {"pattern", {{"Regex", kQwen2Words}}}, {"behavior", "Isolated"}, {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level(add_prefix_space, false)})}};
}

// The two settings are for tokens that the folder has: without one nothing is added.
Json bos_and_eos(const SettingsFile& settings, const NamedTokens& named, const AddedTokens& added) {
  Json single = Json::array(), special = Json::object();
  const auto append = [&](const char* key, const char* role) {
    const NewToken* token = named.find(role);
    if (!json_bool_or(settings.tree, key, false, settings.path) || !token) return;
    single.push_back({{"SpecialToken", {{"id", token->content}, {"type_id", 0}}}});
    special[token->content] = {{"id", token->content}, {"ids", Json::array({added.id(token->content)})}};
  };
  append("add_bos_token", "bos_token");
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  append("add_eos_token", "eos_token");
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", Json::array()}, {"special_tokens", special}};
}

Json cls_and_sep(const SettingsFile& settings, const NamedTokens& named, const AddedTokens& added) {
  const std::string &cls = named.content("cls_token"), &sep = named.content("sep_token");
  return {{"type", "RobertaProcessing"},
          {"sep", Json::array({sep, added.id(sep)})},
          {"cls", Json::array({cls, added.id(cls)})},
          {"trim_offsets", json_bool_or(settings.tree, "trim_offsets", true, settings.path)},
          {"add_prefix_space", json_bool_or(settings.tree, "add_prefix_space", false, settings.path)}};
}

}  // namespace

bool has_byte_bpe_vocabulary(const std::filesystem::path& folder) {
  return std::filesystem::is_regular_file(folder / "vocab.json") && std::filesystem::is_regular_file(folder / "merges.txt");
}

ConvertedTokenizer convert_byte_bpe_folder(const std::filesystem::path& folder) {
  const SettingsFile settings = read_settings(folder / "tokenizer_config.json");
  const ClassRow& row = class_of(settings, read_settings(folder / "config.json"));
  check_settings(settings);
  SettingsFile map;
  const NamedTokens named = read_names(row.names, folder, settings, [&](const SettingsFile& file) { map = file; });
  ConvertedTokenizer out{};
  TokenizerFile& file = out.file;
  file.path = (folder / "vocab.json").string();
  const std::string vocabulary = read_file(file.path, kLargestFile);
  fill_vocabulary(file, parse_json(vocabulary, file.path));
  const std::string merges = read_file(folder / "merges.txt", kLargestFile);
  fill_merges(file, (folder / "merges.txt").string(), merges);
  AddedTokens added(file, named);
  add_all_tokens(row, settings, named, extra_tokens(settings, map), added);

  Json& tree = file.tree;
  tree = {{"version", "1.0"}, {"model", {{"type", "BPE"}, {"unk_token", nullptr}, {"fuse_unk", false}}}};
  const bool add_prefix_space = json_bool_or(settings.tree, "add_prefix_space", false, settings.path);
  if (row.kind == Kind::qwen2) tree["normalizer"] = {{"type", "NFC"}};
  tree["pre_tokenizer"] = row.kind == Kind::qwen2 ? qwen2_words(add_prefix_space) : byte_level(add_prefix_space, true);
  tree["decoder"] = byte_level(true, true);
  tree["post_processor"] = row.kind == Kind::roberta ? cls_and_sep(settings, named, added) : bos_and_eos(settings, named, added);
  tree["added_tokens"] = added.take();
  out.fingerprint = hash_text(dump(tree) + vocabulary + merges);
  out.eos_token = named.content("eos_token");
  return out;
}

}  // namespace distill
