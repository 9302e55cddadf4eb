#include "named_ids.h"

#include <array>
#include <string>

#include "distill/core/error.h"
#include "distill/core/json_reader.h"

#include "token_table.h"

namespace distill {
namespace {

std::optional<Json> read_optional(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  Json json = read_json_file(path.string());
  if (!json.is_object())
    throw InputError({path.string(), "a JSON object", json.type_name(), "Take the file again from its source.", ""});
  return json;
}

const Json* find_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

struct TokenName {
  std::string token;
  std::string where;
};

std::optional<TokenName> name_in(const std::filesystem::path& path, const char* role) {
  const std::optional<Json> file = read_optional(path);
  const Json* token = file ? find_member(*file, role) : nullptr;
  if (!token) return std::nullopt;
  const std::string where = path.string() + ": " + role;
  const Json* content = token->is_object() ? &json_member(*token, "content", where) : token;
  if (!content->is_string()) throw InputError({where, "a token", content->type_name(), "Correct the file.", ""});
  return TokenName{content->get<std::string>(), where};
}

std::optional<TokenName> find_name(const std::filesystem::path& folder, const char* role) {
  if (auto name = name_in(folder / "tokenizer_config.json", role)) return name;
  return name_in(folder / "special_tokens_map.json", role);
}

// `eos_token_id` of generation_config.json or config.json: a number, or a list whose first is taken.
std::optional<int32_t> numbered_eos(const std::filesystem::path& path) {
  const std::optional<Json> config = read_optional(path);
  const Json* id = config ? find_member(*config, "eos_token_id") : nullptr;
  if (id && id->is_array()) id = id->empty() ? nullptr : &id->front();
  if (!id) return std::nullopt;
  if (!id->is_number_integer() || id->get<int64_t>() < 0 || id->get<int64_t>() > kMaxTokenId) {
    throw InputError({path.string() + ": eos_token_id", "a token id", id->dump(-1, ' ', false, Json::error_handler_t::replace),
                      "Correct the file.", ""});
  }
  return id->get<int32_t>();
}

std::optional<int32_t> find_eos(const std::filesystem::path& folder, const Tokenizer& tokenizer) {
  if (const auto name = find_name(folder, "eos_token")) {
    if (const auto id = tokenizer.id_of(name->token)) return id;
    throw InputError(
        {name->where, "a token of tokenizer.json", "\"" + name->token + "\"", "Use the two files that belong together.", ""});
  }
  if (const auto id = numbered_eos(folder / "generation_config.json")) return id;
  return numbered_eos(folder / "config.json");
}

// The first BERT folders name no tokens: their classes in transformers have these spellings as defaults. A named token that
// tokenizer.json lacks would get an id above the model's vocabulary there, so it has none here.
std::optional<int32_t> find_role(const std::filesystem::path& folder, const char* role,
                                 const std::array<const char*, 2>& default_spellings, const Tokenizer& tokenizer) {
  if (const auto name = find_name(folder, role)) return tokenizer.id_of(name->token);
  for (const char* spelling : default_spellings)
    if (const auto id = tokenizer.id_of(spelling); id && tokenizer.is_special(*id)) return id;
  return std::nullopt;
}

}  // namespace

NamedIds find_named_ids(const std::filesystem::path& folder, const Tokenizer& tokenizer) {
  return {find_eos(folder, tokenizer), find_role(folder, "mask_token", {"[MASK]", "<mask>"}, tokenizer),
          find_role(folder, "pad_token", {"[PAD]", "<pad>"}, tokenizer)};
}

}  // namespace distill
