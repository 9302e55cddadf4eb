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
  explicit NamedTokens(const RoleNames& names) {
    for (const auto& [role, content] : names) tokens_.insert_or_assign(role, NewToken{content, true, false});
  }

  void read_config(const SettingsFile& file) {
    refuse_other_roles(file);
    for (const char* role : kRoles) {
      if (!file.tree.contains(role)) continue;
      const std::string where = file.path + ": " + role;
      const Json& token = file.tree.at(role);
      if (token.is_object() && json_string_or(token, "__type", "", where) != "AddedToken")
        throw InputError({where, R"(a token, or an object with "__type": "AddedToken")", "another object", kCorrect, ""});
      set(role, token, false, where);
    }
  }
  void read_map(const SettingsFile& file) {
    refuse_other_roles(file);
    for (const char* role : kRoles)
      if (file.tree.contains(role)) set(role, file.tree.at(role), true, file.path + ": " + role);
  }

  const NewToken* find(const std::string& role) const {
    const auto found = tokens_.find(role);
    return found == tokens_.end() ? nullptr : &found->second;
  }
  const std::string& content(const std::string& role) const { return tokens_.at(role).content; }
  bool has(const std::string& content) const {
    return std::any_of(tokens_.begin(), tokens_.end(), [&](const auto& one) { return one.second.content == content; });
  }

 private:
  void set(const char* role, const Json& token, bool special, const std::string& where) {
    if (token.is_null() && !find(role)) return;
    if (!token.is_string() && !token.is_object()) throw InputError({where, "a token", token.type_name(), kCorrect, ""});
    NewToken out = token.is_string() ? NewToken{token.get<std::string>(), true, false} : read_token(token, special, where);
    out.special = true;
    tokens_.insert_or_assign(role, std::move(out));
  }

  std::map<std::string, NewToken> tokens_;
};

// Tokens with the ids that the vocabulary gives them, or the next free ones.
class AddedTokens {
 public:
  AddedTokens(const TokenizerFile& file, const NamedTokens& named) : named_(named) {
    for (const auto& [token, id] : file.vocab) ids_.emplace(token, id);
    for (const auto& [token, score] : file.pieces) ids_.emplace(token, static_cast<int64_t>(ids_.size()));
  }

  // `listed`: the id that the folder gives; a different one is what it gets, with a warning where the file is read.
  void add(NewToken token, std::optional<int64_t> listed) {
    const int64_t id = ids_.emplace(token.content, static_cast<int64_t>(ids_.size())).first->second;
    token.special = token.special || named_.has(token.content);
    const std::string content = token.content;
    Json entry = {{"id", listed.value_or(id)}, {"content", token.content}, {"single_word", token.single_word},
                  {"lstrip", token.lstrip},    {"rstrip", token.rstrip},   {"normalized", token.normalized},
                  {"special", token.special}};
    const auto [at, is_new] = places_.emplace(content, entries_.size());
    if (is_new)
      entries_.push_back(std::move(entry));
    else
      entries_[at->second] = std::move(entry);
  }
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
