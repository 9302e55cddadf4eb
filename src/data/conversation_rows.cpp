#include "conversation_rows.h"

#include <array>
#include <string_view>

#include "distill/core/error.h"

#include "row_fields.h"

namespace distill {
namespace {

std::string quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }
std::string place(const char* name, size_t index) { return "message " + std::to_string(index + 1) + " of " + quoted(name); }

constexpr const char* kMessagesAdvice = "Write a list of {\"role\": ..., \"content\": ...}.";

const Json& list_of_turns(const Json& value, const char* name, const std::string& where) {
  if (!value.is_array()) refuse_row(where, quoted(name) + " to be a list of messages", shown(value), kMessagesAdvice);
  if (value.empty())
    refuse_row(where, "at least one message in " + quoted(name), "an empty list", "Remove this line, or give it a conversation.");
  return value;
}

void expect_text_parts(const Json& content, const std::string& what, const std::string& where) {
  if (!content.is_array()) return;
  for (const Json& part : content) {
    const Json* type = part.is_object() ? present(part, "type") : nullptr;
    if (!type || !type->is_string() || *type == "text") continue;
    refuse_row(where, "parts of type \"text\" in " + what, "a part of type " + shown(*type),
               "Leave such parts out: the models here read text.");
  }
}

Json message_of(const Json& turn, const std::string& what, const std::string& where) {
  const Json* role = turn.is_object() ? present(turn, "role") : nullptr;
  if (!role || !role->is_string()) {
    const bool share_gpt = turn.is_object() && turn.contains("from") && turn.contains("value");
    refuse_row(where, what + " to be {\"role\": ..., \"content\": ...}", shown(turn),
               share_gpt ? "Name the field \"conversations\": turns of {\"from\", \"value\"} stand there."
                         : "Correct this line or remove it.");
  }
  if (const Json* content = present(turn, "content")) expect_text_parts(*content, what, where);
  return turn;
}

Json messages_of(const Json& value, const char* name, const std::string& where) {
  Json messages = Json::array();
  for (const Json& turn : list_of_turns(value, name, where))
    messages.push_back(message_of(turn, place(name, messages.size()), where));
  return messages;
}

Json turn_of(const char* role, std::string content) {
  Json message;
  message["role"] = role;
  message["content"] = std::move(content);
  return message;
}

struct Speaker {
  std::string_view from;
  const char* role;
};
constexpr std::array<Speaker, 11> kSpeakers = {{{"human", "user"},
                                                {"user", "user"},
                                                {"gpt", "assistant"},
                                                {"assistant", "assistant"},
                                                {"chatgpt", "assistant"},
                                                {"model", "assistant"},
                                                {"bot", "assistant"},
                                                {"system", "system"},
                                                {"tool", "tool"},
                                                {"observation", "tool"},
                                                {"function_response", "tool"}}};

Json share_gpt_message(const Json& turn, const std::string& what, const std::string& where) {
  const Json* from = turn.is_object() ? present(turn, "from") : nullptr;
  const Json* value = turn.is_object() ? present(turn, "value") : nullptr;
  if (!from || !value || !from->is_string() || !value->is_string())
    refuse_row(where, what + " to be {\"from\": ..., \"value\": ...}, both texts", shown(turn),
               "Correct this line or remove it.");
  for (const Speaker& speaker : kSpeakers)
    if (*from == speaker.from) return turn_of(speaker.role, value->get<std::string>());
  refuse_row(where, what + " to be from human, gpt, system or tool", shown(*from),
             "Rename it, or write the row as {\"messages\": [{\"role\": ..., \"content\": ...}]}, which takes any role.");
}

Json share_gpt_messages(const Json& turns, const char* name, const std::string& where) {
  Json messages = Json::array();
  for (const Json& turn : turns) messages.push_back(share_gpt_message(turn, place(name, messages.size()), where));
  return messages;
}

std::string text_or(const Json& row, const char* name, const char* fallback, const std::string& where) {
  const Json* value = present(row, name);
  if (!value) return fallback;
  if (!value->is_string()) refuse_row(where, quoted(name) + " to be a text", shown(*value), "Correct this line or remove it.");
  return value->get<std::string>();
}

// Tables have one type per column, so tool schemas, each of another shape, are often kept as JSON text.
Json tools_of(const Json& row, const std::string& where) {
  const Json* value = present(row, "tools");
  if (!value || (value->is_string() && value->get_ref<const std::string&>().empty())) return nullptr;
  Json tools = value->is_string() ? parse_json(value->get_ref<const std::string&>(), where + ", \"tools\"") : *value;
  const std::string advice = "Write the tools' JSON schemas: [{\"type\": \"function\", \"function\": {...}}, ...].";
  if (tools.is_null()) return nullptr;
  if (!tools.is_array()) refuse_row(where, "\"tools\" to be a list of tools, or the JSON text of one", shown(tools), advice);
  for (const Json& tool : tools)
    if (!tool.is_object()) refuse_row(where, "every tool to be an object", shown(tool), advice);
  return tools;
}

Json variables_of(const Json& row, const std::string& where) {
  const Json* value = present(row, "chat_template_kwargs");
  if (!value) return nullptr;
  const std::string expected = "\"chat_template_kwargs\" to be an object of names that the template reads";
  if (!value->is_object()) refuse_row(where, expected, shown(*value), "For example {\"enable_thinking\": false}.");
  for (const char* name : {"messages", "tools", "add_generation_prompt"})
    if (value->contains(name))
      refuse_row(where, expected, quoted(name) + ", which is a field of the row", "Move it out of \"chat_template_kwargs\".");
  return *value;
}

bool generation_prompt_of(const Json& row, const std::string& where) {
  const Json* value = present(row, "add_generation_prompt");
  if (!value) return false;
  if (!value->is_boolean())
    refuse_row(where, "\"add_generation_prompt\" to be true or false", shown(*value), "Correct this line or remove it.");
  return value->get<bool>();
}

MessagesSample sample_of(Json messages, ConversationForm form, const Json& row, const std::string& where) {
  MessagesSample sample;
  sample.messages = std::move(messages);
  sample.tools = tools_of(row, where);
  sample.variables = variables_of(row, where);
  sample.add_generation_prompt = generation_prompt_of(row, where);
  sample.form = form;
  return sample;
}

// A system prompt in a field of its own comes first.
void put_system_first(Json& messages, const Json& row, const std::string& where) {
  std::string system = text_or(row, "system", "", where);
  if (system.empty()) return;
  if (!messages.empty() && messages.front().value("role", "") == "system")
    refuse_row(where, "one system prompt", "\"system\", and a first message from the system", "Remove one of them.");
  messages.insert(messages.begin(), turn_of("system", std::move(system)));
}

void append_history(Json& messages, const Json& row, const std::string& where) {
  const Json* history = present(row, "history");
  if (!history) return;
  const std::string expected = "\"history\" to be a list of [instruction, output]";
  if (!history->is_array()) refuse_row(where, expected, shown(*history), "Correct this line or remove it.");
  for (const Json& turn : *history) {
    if (!turn.is_array() || turn.size() != 2 || !turn[0].is_string() || !turn[1].is_string())
      refuse_row(where, expected, shown(turn), "Correct this line or remove it.");
    messages.push_back(turn_of("user", turn[0].get<std::string>()));
    messages.push_back(turn_of("assistant", turn[1].get<std::string>()));
  }
}

}  // namespace

MessagesSample messages_row(const Json& row, const std::string& where) {
  return sample_of(messages_of(*present(row, "messages"), "messages", where), ConversationForm::messages, row, where);
}

MessagesSample conversations_row(const Json& row, const std::string& where) {
  const Json& turns = list_of_turns(*present(row, "conversations"), "conversations", where);
  const bool has_roles = turns.front().is_object() && turns.front().contains("role");
  Json messages = has_roles ? messages_of(turns, "conversations", where) : share_gpt_messages(turns, "conversations", where);
  put_system_first(messages, row, where);
  return sample_of(std::move(messages), ConversationForm::conversations, row, where);
}

MessagesSample prompt_completion_row(const Json& row, const std::string& where) {
  Json messages = messages_of(*present(row, "prompt"), "prompt", where);
  const size_t num_prompt = messages.size();
  for (Json& message : messages_of(*present(row, "completion"), "completion", where)) messages.push_back(std::move(message));
  MessagesSample sample = sample_of(std::move(messages), ConversationForm::prompt_completion, row, where);
  sample.num_prompt = num_prompt;
  return sample;
}

MessagesSample instruction_row(const Json& row, const std::string& where) {
  if (!present(row, "output"))
    refuse_row(where, "\"instruction\" and \"output\" together", "no \"output\"",
               "Add it, or name the field \"text\" if there is only one.");
  const std::string instruction = text_or(row, "instruction", "", where), input = text_or(row, "input", "", where);
  Json messages = Json::array();
  append_history(messages, row, where);
  const char* between = instruction.empty() || input.empty() ? "" : "\n\n";
  messages.push_back(turn_of("user", instruction + between + input));
  messages.push_back(turn_of("assistant", text_or(row, "output", "", where)));
  put_system_first(messages, row, where);
  return sample_of(std::move(messages), ConversationForm::instruction, row, where);
}

}  // namespace distill
