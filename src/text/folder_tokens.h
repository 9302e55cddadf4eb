// Folders without a tokenizer.json: the settings beside the vocabulary, and the tokens that transformers adds to it on loading.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "distill/core/error.h"
#include "distill/core/json_reader.h"

#include "tokenizer_json.h"

namespace distill {

inline constexpr const char* kSave = "Load the folder with transformers and save it: its tokenizer.json can be read.";
inline constexpr const char* kCorrect = "Correct the file.";

struct ConvertedTokenizer {
  TokenizerFile file;
  uint64_t fingerprint;   // of the vocabulary file's bytes and of everything that the files beside it changed
  std::string eos_token;  // the class's own, for folders that name none; "" without one
};

struct SettingsFile {
  std::string path;
  Json tree = Json::object();  // empty without the file
};

SettingsFile read_settings(const std::filesystem::path& path);
const Json* find_member(const Json& object, const char* key);  // nullptr for null, too
std::string dump(const Json& value);

// Of a class: the tokens that have a role without being named, as {"eos_token", "</s>"}.
using RoleNames = std::vector<std::pair<const char*, const char*>>;

// In the order in which those that the vocabulary lacks get their ids.
inline constexpr const char* kRoles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token"};

// `tokenizer_class` without the Fast that older versions append; "" when the folder names none.
std::string class_name(const SettingsFile& settings);

// For rows of a table of classes, {name, model_types, ...}.
template <class Row>
bool has_model_type(const Row& row, const std::string& model_type) {
  return std::any_of(row.model_types.begin(), row.model_types.end(), [&](const char* one) { return model_type == one; });
}
// `files` are what the folder has in place of a tokenizer.json.
template <class Row>
[[noreturn]] void refuse_class_of(const std::vector<Row>& table, const std::string& files, const std::string& where,
                                  const std::string& found) {
  std::string names;
  for (const Row& row : table) names += std::string(names.empty() ? "" : ", ") + row.name + " (" + row.model_types.front() + ")";
  throw InputError({where, "with " + files + " and no tokenizer.json, one of " + names, found, kSave, ""});
}

struct NewToken {
  std::string content;
  bool special, normalized;
  bool single_word = false, lstrip = false, rstrip = false;
};
NewToken read_token(const Json& token, bool special, const std::string& where);

// `image_token` and the like: special tokens that a model's class makes up, which are not available yet.
void refuse_other_roles(const SettingsFile& file);

// The tokens that have a role: of the class, of tokenizer_config.json and, in older folders, of special_tokens_map.json.
class NamedTokens {
 public:
  explicit NamedTokens(const RoleNames& names);
  void read_config(const SettingsFile& file);
  void read_map(const SettingsFile& file);

  const NewToken* find(const std::string& role) const;
  const std::string& content(const std::string& role) const { return tokens_.at(role).content; }
  bool has(const std::string& content) const;

 private:
  void set(const char* role, const Json& token, bool special, const std::string& where);

  std::map<std::string, NewToken> tokens_;
};

// Tokens with the ids that the vocabulary gives them, or the next free ones.
class AddedTokens {
 public:
  AddedTokens(const TokenizerFile& file, const NamedTokens& named);

  // `listed`: the id that the folder gives; a different one is what it gets, with a warning where the file is read.
  void add(NewToken token, std::optional<int64_t> listed);
  bool has(const std::string& content) const { return places_.contains(content); }
  int64_t id(const std::string& content) const { return ids_.at(content); }

  // New ones stand in the order of their ids.
  Json take() { return std::move(entries_); }

 private:
  const NamedTokens& named_;
  std::unordered_map<std::string, int64_t> ids_;
  std::unordered_map<std::string, size_t> places_;
  Json entries_ = Json::array();
};

// tokenizer_config.json: `"added_tokens_decoder": {"0": {"content": "<unk>", ...}}`.
void add_listed_tokens(const SettingsFile& file, AddedTokens& added);

// Of an older form, and counted only without added_tokens_decoder: not available yet.
void refuse_added_tokens_file(const std::filesystem::path& folder);

// The tokens of `names` as tokenizer_config.json and, in older folders, special_tokens_map.json change them. `check_map` sees
// the latter before.
template <class Check>
NamedTokens read_names(const RoleNames& names, const std::filesystem::path& folder, const SettingsFile& settings,
                       const Check& check_map) {
  NamedTokens named(names);
  named.read_config(settings);
  if (settings.tree.contains("added_tokens_decoder")) return named;
  refuse_added_tokens_file(folder);
  const SettingsFile map = read_settings(folder / "special_tokens_map.json");
  check_map(map);
  named.read_map(map);
  return named;
}

}  // namespace distill
