#include "folder_tokens.h"

namespace distill {

SettingsFile read_settings(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return {path.string()};
  Json tree = read_json_file(path.string());
  if (!tree.is_object()) throw InputError({path.string(), "a JSON object", tree.type_name(), kCorrect, ""});
  return {path.string(), std::move(tree)};
}

const Json* find_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string dump(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string class_name(const SettingsFile& settings) {
  std::string name = json_string_or(settings.tree, "tokenizer_class", "", settings.path);
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  return name;
}

NewToken read_token(const Json& token, bool special, const std::string& where) {
  NewToken out{json_string(token, "content", where), special || json_bool_or(token, "special", false, where), false};
  out.normalized = json_bool_or(token, "normalized", !out.special, where);
  out.single_word = json_bool_or(token, "single_word", false, where);
  out.lstrip = json_bool_or(token, "lstrip", false, where);
  out.rstrip = json_bool_or(token, "rstrip", false, where);
  return out;
}

void refuse_other_roles(const SettingsFile& file) {
  for (const auto& [key, token] : file.tree.items()) {
    if (!key.ends_with("_token") || !(token.is_string() || token.is_object())) continue;
    if (std::none_of(std::begin(kRoles), std::end(kRoles), [&name = key](const char* role) { return name == role; }))
      throw InputError({file.path + ": " + key, "no such token", dump(token) + ", which is not available yet", kSave, ""});
  }
}

NamedTokens::NamedTokens(const RoleNames& names) {
  for (const auto& [role, content] : names) tokens_.insert_or_assign(role, NewToken{content, true, false});
}

void NamedTokens::read_config(const SettingsFile& file) {
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

void NamedTokens::read_map(const SettingsFile& file) {
  refuse_other_roles(file);
  for (const char* role : kRoles)
    if (file.tree.contains(role)) set(role, file.tree.at(role), true, file.path + ": " + role);
}

const NewToken* NamedTokens::find(const std::string& role) const {
  const auto found = tokens_.find(role);
  return found == tokens_.end() ? nullptr : &found->second;
}

bool NamedTokens::has(const std::string& content) const {
  return std::any_of(tokens_.begin(), tokens_.end(), [&](const auto& one) { return one.second.content == content; });
}

void NamedTokens::set(const char* role, const Json& token, bool special, const std::string& where) {
  if (token.is_null() && !find(role)) return;
  if (!token.is_string() && !token.is_object()) throw InputError({where, "a token", token.type_name(), kCorrect, ""});
  NewToken out = token.is_string() ? NewToken{token.get<std::string>(), true, false} : read_token(token, special, where);
  out.special = true;
  tokens_.insert_or_assign(role, std::move(out));
}

AddedTokens::AddedTokens(const TokenizerFile& file, const NamedTokens& named) : named_(named) {
  for (const auto& [token, id] : file.vocab) ids_.emplace(token, id);
  for (const auto& [token, score] : file.pieces) ids_.emplace(token, static_cast<int64_t>(ids_.size()));
}

void AddedTokens::add(NewToken token, std::optional<int64_t> listed) {
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

void add_listed_tokens(const SettingsFile& file, AddedTokens& added) {
  const Json* listed = find_member(file.tree, "added_tokens_decoder");
  if (!listed) return;
  const std::string where = file.path + ": added_tokens_decoder";
  if (!listed->is_object()) throw InputError({where, "an object", listed->type_name(), kCorrect, ""});
  std::map<int64_t, NewToken> tokens;
  for (const auto& [key, token] : listed->items()) {
    const bool is_id = !key.empty() && key.size() < 10 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!is_id || !tokens.emplace(std::stoll(key), read_token(token, false, std::string(where).append(".").append(key))).second)
      throw InputError({where, "every id once, in digits", "\"" + key + "\"", kCorrect, ""});
  }
  for (auto& [id, token] : tokens) {
    if (added.has(token.content)) throw InputError({where, "every token once", "\"" + token.content + "\" again", kCorrect, ""});
    added.add(token, id);
  }
}

void refuse_added_tokens_file(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder / "added_tokens.json")) return;
  throw InputError({(folder / "added_tokens.json").string(), "added_tokens_decoder in tokenizer_config.json",
                    "added tokens of an older form, which are not available yet", kSave, ""});
}

}  // namespace distill
