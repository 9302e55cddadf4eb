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
