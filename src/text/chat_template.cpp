#include "distill/text/chat_template.h"

#include <optional>
#include <unordered_map>

#include "distill/core/error.h"
#include "distill/core/file.h"

#include "jinja/machine.h"
#include "jinja/parser.h"
#include "unicode.h"

namespace distill {
namespace {

using jinja::Value;

constexpr const char* kFileAdvice = "Take the model's files again from their source, or correct the template.";

[[noreturn]] void fail_syntax(const std::string& where, const jinja::SyntaxMistake& mistake) {
  throw InputError({where + ", line " + std::to_string(mistake.line), mistake.expected, mistake.found, kFileAdvice, ""});
}

[[noreturn]] void fail_render(const std::string& where, const jinja::Failure& failure) {
  const std::string at = where + ", line " + std::to_string(failure.line);
  switch (failure.kind) {
    case jinja::Failure::Kind::refusal:
      throw InputError({at, "a conversation that the template accepts", failure.message,
                        "Change the messages as the template asks; these are its own words.", ""});
    case jinja::Failure::Kind::limit:
      throw InputError({at, "a template that stays within the limits of a render", failure.message, kFileAdvice, ""});
    case jinja::Failure::Kind::error:
      break;
  }
  throw InputError({at, "a template and a conversation that go together", failure.message,
                    "Check what the template reads of the messages, then the template itself.", ""});
}

// JSON as the values that Python's json makes of it.
Value value_of(const Json& json, const std::string& where, size_t& bytes) {
  bytes += 16;
  switch (json.type()) {
    case Json::value_t::null:
    case Json::value_t::discarded:
    case Json::value_t::binary:
      return jinja::None{};
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_integer:
      return json.get<int64_t>();
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() > uint64_t{INT64_MAX})
        throw InputError({where, "integers of at most 64 bits with sign", json.dump(), "Write the number as a string.", ""});
      return json.get<int64_t>();
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      break;
    case Json::value_t::array: {
      auto list = std::make_shared<jinja::List>();
      for (const Json& item : json) list->items.push_back(value_of(item, where, bytes));
      return std::shared_ptr<const jinja::List>(std::move(list));
    }
    case Json::value_t::object: {
      auto dict = std::make_shared<jinja::Dict>();
      for (const auto& [key, item] : json.items()) {
        bytes += key.size();
        if (json.size() > 8) dict->index.emplace(jinja::hash_of(jinja::make_string(key)), dict->entries.size());
        dict->entries.emplace_back(jinja::make_string(key), value_of(item, where, bytes));
      }
      return std::shared_ptr<const jinja::Dict>(std::move(dict));
    }
  }
  const auto& text = json.get_ref<const std::string&>();
  if (find_invalid_utf8(text))
    throw InputError({where, "text in valid UTF-8", "bytes that are not", "Save the data as UTF-8.", ""});
  bytes += text.size();
  return jinja::make_string(text);
}

// What transformers does to a message first: members that are null are left out, and the reasoning goes by all its names.
Json prepared_message(const Json& message, const std::string& where) {
  if (!message.is_object())
    throw InputError({where, "messages that are objects", message.type_name(), "Correct the conversation.", ""});
  Json kept = Json::object();
  const Json* reasoning = nullptr;
  for (const auto& [key, value] : message.items())
    if (!value.is_null()) kept[key] = value;
  for (const char* name : {"reasoning_content", "thinking", "reasoning"})
    if (reasoning == nullptr && kept.contains(name)) reasoning = &kept[name];
  if (reasoning == nullptr) return kept;
  const Json text = *reasoning;
  Json out = Json::object();
  out["thinking"] = text;
  for (const auto& [key, value] : kept.items()) out[key] = value;
  out["reasoning_content"] = text;
  return out;
}

size_t byte_of_code_point(const std::string& text, size_t place) {
  size_t at = 0;
  while (at < text.size() && place > 0) {
    at += code_point_at(text, at).num_bytes;
    --place;
  }
  return at;
}

// The ranges come in order of their ends; places beyond the text are its end.
std::vector<std::pair<size_t, size_t>> in_bytes(const std::string& text, const std::vector<std::pair<size_t, size_t>>& ranges) {
  std::vector<std::pair<size_t, size_t>> out;
  size_t place = 0, at = 0;
  const auto move_to = [&](size_t to) {
    if (to < place) place = 0, at = 0;
    at += byte_of_code_point(text.substr(at, 4 * (to - place)), to - place);
    place = to;
    return at;
  };
  for (const auto& [begin, end] : ranges) {
    const size_t first = move_to(begin);
    out.emplace_back(first, move_to(end));
  }
  return out;
}

}  // namespace

struct ChatTemplate::Program {
  std::string where;
  jinja::Template source;
  Json names;
  uint64_t fingerprint = 0;
  bool tells_time = false;
  std::unique_ptr<Program> for_tools;  // takes the requests that have tools
};

namespace {

jinja::Template parse_source(const std::string& source, const std::string& where) {
  if (source.size() > jinja::kMaxSourceBytes)
    throw InputError({where, "a template of at most 1 MiB", std::to_string(source.size()) + " bytes", kFileAdvice, ""});
  if (find_invalid_utf8(source)) throw InputError({where, "text in valid UTF-8", "bytes that are not", kFileAdvice, ""});
  try {
    return jinja::parse(source);
  } catch (const jinja::SyntaxMistake& mistake) {
    fail_syntax(where, mistake);
  }
}

}  // namespace

ChatTemplate::ChatTemplate(const std::string& source, std::string where, Json names) : program_(std::make_unique<Program>()) {
  program_->source = parse_source(source, where);
  program_->where = std::move(where);
  program_->fingerprint = hash_text(source + '\0' + names.dump(-1, ' ', false, Json::error_handler_t::replace));
  program_->tells_time = source.find("strftime_now") != std::string::npos;
  program_->names = std::move(names);
}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

void ChatTemplate::use_for_tools(ChatTemplate with_tools) { program_->for_tools = std::move(with_tools.program_); }

bool ChatTemplate::marks_generation() const { return program_->source.has_generation; }

bool ChatTemplate::tells_time() const { return program_->tells_time || (program_->for_tools && program_->for_tools->tells_time); }

uint64_t ChatTemplate::fingerprint() const {
  if (!program_->for_tools) return program_->fingerprint;
  return program_->fingerprint * 31 + program_->for_tools->fingerprint;
}

ChatText ChatTemplate::render(const ChatRequest& request) const {
  const Program& program = program_->for_tools && !request.tools.is_null() ? *program_->for_tools : *program_;
  if (!request.messages.is_array() || request.messages.empty())
    throw InputError({program.where, "a conversation of at least one message", "none", "Correct the conversation.", ""});
  Json messages = Json::array();
  for (const Json& message : request.messages) messages.push_back(prepared_message(message, program.where));
  size_t bytes = 0;
  jinja::Variables variables;
  const auto add_all = [&](const Json& object) {
    for (const auto& [name, value] : object.items()) variables[name] = value_of(value, program.where, bytes);
  };
  if (program.names.is_object()) add_all(program.names);
  variables["documents"] = jinja::None{};
  if (request.variables.is_object()) add_all(request.variables);
  variables["messages"] = value_of(messages, program.where, bytes);
  variables["tools"] = value_of(request.tools, program.where, bytes);
  variables["add_generation_prompt"] = request.add_generation_prompt;
  try {
    jinja::Machine machine(variables, bytes);
    machine.run(program.source);
    return {machine.output(), in_bytes(machine.output(), machine.generated())};
  } catch (const jinja::Failure& failure) {
    fail_render(program.where, failure);
  }
}

namespace {

std::optional<Json> read_optional(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  Json json = read_json_file(path.string());
  if (!json.is_object()) throw InputError({path.string(), "a JSON object", json.type_name(), kFileAdvice, ""});
  return json;
}

bool ends_with_token(const std::string& key) { return key.size() > 6 && key.compare(key.size() - 6, 6, "_token") == 0; }

void add_special_tokens(const Json& config, Json& names) {
  for (const auto& [key, value] : config.items()) {
    if (!ends_with_token(key)) continue;
    if (value.is_string()) names[key] = value;
    if (value.is_object() && value.contains("content") && value["content"].is_string()) names[key] = value["content"];
  }
}

// As transformers: special_tokens_map.json counts only for folders whose tokenizer_config.json does not list the added tokens.
Json special_tokens(const std::filesystem::path& folder, const std::optional<Json>& config) {
  Json names = Json::object();
  if (folder.empty()) return names;
  if (config) add_special_tokens(*config, names);
  if (!config || !config->contains("added_tokens_decoder"))
    if (const std::optional<Json> map = read_optional(folder / "special_tokens_map.json")) add_special_tokens(*map, names);
  return names;
}

struct NamedSource {
  std::string source, where;
};
using Sources = std::unordered_map<std::string, NamedSource>;

void add_sources(const Json& config, const std::string& path, Sources& sources) {
  if (!config.contains("chat_template") || config["chat_template"].is_null()) return;
  const Json& templates = config["chat_template"];
  const std::string where = path + ": chat_template";
  if (templates.is_string()) {
    sources["default"] = {templates.get<std::string>(), where};
    return;
  }
  if (!templates.is_array())
    throw InputError({where, "a template, or a list of {name, template}", templates.type_name(), kFileAdvice, ""});
  for (const Json& one : templates) {
    const std::string name = json_string(one, "name", where);
    sources[name] = {json_string(one, "template", where), std::string(where).append("[").append(name).append("]")};
  }
}

Sources template_files(const std::filesystem::path& folder) {
  Sources sources;
  const auto add = [&](const std::string& name, const std::filesystem::path& path) {
    sources[name] = {read_file(path, jinja::kMaxSourceBytes), path.string()};
  };
  if (std::filesystem::exists(folder / "chat_template.jinja")) add("default", folder / "chat_template.jinja");
  for (const char* name : {"default", "tool_use"}) {
    const std::filesystem::path path = folder / "additional_chat_templates" / (std::string(name) + ".jinja");
    if (std::filesystem::exists(path)) add(name, path);
  }
  return sources;
}

Sources find_sources(const std::filesystem::path& folder, const std::optional<Json>& config) {
  Sources sources = template_files(folder);
  if (sources.empty() && config) add_sources(*config, (folder / "tokenizer_config.json").string(), sources);
  if (!sources.empty()) return sources;
  if (const std::optional<Json> legacy = read_optional(folder / "chat_template.json"))
    add_sources(*legacy, (folder / "chat_template.json").string(), sources);
  return sources;
}

}  // namespace

std::optional<ChatTemplate> load_chat_template(const std::filesystem::path& folder, const std::filesystem::path& file) {
  const std::optional<Json> config = folder.empty() ? std::nullopt : read_optional(folder / "tokenizer_config.json");
  if (!file.empty()) return ChatTemplate(read_file(file, jinja::kMaxSourceBytes), file.string(), special_tokens(folder, config));
  const Sources sources = find_sources(folder, config);
  if (sources.empty()) return std::nullopt;
  const auto usual = sources.find("default"), with_tools = sources.find("tool_use");
  if (usual == sources.end())
    throw InputError({folder.string(), "a chat template called \"default\"", "templates of other names only", kFileAdvice, ""});
  const Json names = special_tokens(folder, config);
  ChatTemplate loaded(usual->second.source, usual->second.where, names);
  if (with_tools != sources.end()) loaded.use_for_tools(ChatTemplate(with_tools->second.source, with_tools->second.where, names));
  return loaded;
}

}  // namespace distill
