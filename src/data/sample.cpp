#include "distill/data/sample.h"

#include <array>
#include <limits>
#include <optional>

#include "distill/core/error.h"
#include "distill/core/utf8.h"

#include "conversation_rows.h"
#include "row_fields.h"

namespace distill {
namespace {

enum class Kind { text, completion, ids, messages, conversations, instruction };
struct Field {
  const char* name;
  Kind kind;
};
// The first field of a kind is the one that makes a row be of that kind.
constexpr std::array<Field, 8> kFields = {{{"text", Kind::text},
                                           {"prompt", Kind::completion},
                                           {"completion", Kind::completion},
                                           {"input_ids", Kind::ids},
                                           {"labels", Kind::ids},
                                           {"messages", Kind::messages},
                                           {"conversations", Kind::conversations},
                                           {"instruction", Kind::instruction}}};
constexpr const char* kRowAdvice =
    "Write {\"text\": ...}, {\"messages\": [...]}, {\"prompt\": ..., \"completion\": ...} or {\"input_ids\": [...]}.";

// The parser counts lines within its text, which is one line of ours: only the column is of use.
Json parse_line(const std::string& line, const std::string& where) {
  try {
    return parse_json(line, where);
  } catch (const InputError& error) {
    Complaint complaint = error.complaints().front();
    const std::string place = complaint.where.substr(std::min(where.size(), complaint.where.size()));
    complaint.where = where + (place.starts_with(":1:") ? place.substr(2) : "");
    const size_t first = line.find_first_not_of(" \t");
    if (first != std::string::npos && line[first] == '[') {
      complaint.expected = "one JSON object on every line";
      complaint.advice = "If the file is one JSON array, convert it: `jq -c '.[]' FILE > FILE.jsonl`.";
    } else {
      complaint.advice = "Correct this line or remove it; every line must be one whole JSON object.";
    }
    throw InputError(complaint);
  }
}

[[noreturn]] void refuse_unknown_row(const Json& row, const std::string& where) {
  std::string found = row.empty() ? "an empty object" : "only ";
  std::string advice = kRowAdvice;
  std::vector<std::string> known;
  for (const Field& field : kFields) known.emplace_back(field.name);
  const char* separator = "";
  for (const auto& entry : row.items()) {
    found += separator + ("\"" + entry.key() + "\"") + (entry.value().is_null() ? " (null)" : "");
    separator = ", ";
    const std::string nearest = nearest_word(entry.key(), known);
    if (!nearest.empty() && nearest != entry.key() && advice == kRowAdvice)
      advice = "Rename \"" + entry.key() + "\" to \"" + nearest + "\" if that is what it holds. " + advice;
  }
  refuse_row(where, "a row with text, messages, prompt and completion, or input_ids", found, advice);
}

// Chat data sets repeat the first question in a `prompt` of its own.
bool is_spare_prompt(const Json& row) {
  return !present(row, "completion") && (present(row, "messages") || present(row, "conversations"));
}

// Fields that do not make the row be of their kind: another kind of row carries them too.
bool is_beside(const Json& row, std::string_view name, bool classes) {
  return (classes && name == "labels") || (name == "prompt" && is_spare_prompt(row));
}

// The kind of the row; a row of two kinds could be read two ways, so it is refused. `labels` of a classifier make no kind.
Kind kind_of(const Json& row, const std::string& where, bool classes) {
  std::optional<Field> first;
  for (const Field& field : kFields) {
    if (!present(row, field.name) || is_beside(row, field.name, classes)) continue;
    if (first && first->kind != field.kind) {
      refuse_row(where, "fields of one kind", std::string("\"") + first->name + "\" and \"" + field.name + "\" in one row",
                 std::string("Remove the one that is not to be learned. ") + kRowAdvice);
    }
    if (!first) first = field;
  }
  if (!first) refuse_unknown_row(row, where);
  return first->kind;
}

// A field that is there.
std::string string_field(const Json& row, const char* name, const std::string& where) {
  const Json& value = *present(row, name);
  if (value.is_string()) return value.get<std::string>();
  refuse_row(where, std::string("\"") + name + "\" to be a string", shown(value), "Correct this line or remove it.");
}

std::vector<int32_t> integers(const Json& values, const char* name, const std::string& where, int64_t vocab_size,
                              bool ignored_allowed) {
  const std::string quoted = std::string("\"") + name + "\"";
  if (!values.is_array())
    refuse_row(where, quoted + " to be a list of integers", shown(values), "Correct this line or remove it.");
  const int64_t limit = vocab_size > 0 ? vocab_size : int64_t{std::numeric_limits<int32_t>::max()};
  std::vector<int32_t> out;
  out.reserve(values.size());
  for (const Json& value : values) {
    const bool integer = value.is_number_integer();
    if (!integer) refuse_row(where, quoted + " to hold integers", shown(value), "Correct this line or remove it.");
    const bool huge = value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX};
    const int64_t number = huge ? INT64_MAX : value.get<int64_t>();
    if ((number < 0 || number >= limit) && !(ignored_allowed && number == kIgnored)) {
      refuse_row(where,
                 quoted + " to hold ids from 0 to " + std::to_string(limit - 1) + (ignored_allowed ? ", or -100 (ignored)" : ""),
                 shown(value) + " at index " + std::to_string(out.size()),
                 vocab_size > 0 ? "Tokenize the data with the tokenizer of this model." : "Correct this line or remove it.");
    }
    out.push_back(static_cast<int32_t>(number));
  }
  return out;
}

// Both are texts, or both are lists of messages.
Sample completion_sample(const Json& row, const std::string& where) {
  for (const char* name : {"prompt", "completion"})
    if (!present(row, name))
      refuse_row(where, "\"prompt\" and \"completion\" together", std::string("no \"") + name + "\"",
                 "Add it, or name the field \"text\" if there is only one.");
  const Json &prompt = *present(row, "prompt"), &completion = *present(row, "completion");
  if (!prompt.is_array() && !completion.is_array())
    return CompletionSample{string_field(row, "prompt", where), string_field(row, "completion", where)};
  if (!prompt.is_array() || !completion.is_array())
    refuse_row(where, "\"prompt\" and \"completion\" to be two texts or two lists of messages",
               shown(prompt) + " and " + shown(completion), "Write both in the same way.");
  return prompt_completion_row(row, where);
}

// The class of a classifier's row: `label` or, as collators name it, `labels`.
std::optional<int32_t> class_field(const Json& row, const std::string& where, int64_t num_classes) {
  const Json *label = present(row, "label"), *labels = present(row, "labels");
  if (label && labels) refuse_row(where, "one label", "\"label\" and \"labels\" in one row", "Remove one of them.");
  const Json* value = label ? label : labels;
  if (!value) return std::nullopt;
  const std::string expected = std::string(label ? "\"label\"" : "\"labels\"") + " to be a class from 0 to " +
                               std::to_string(num_classes - 1) + ", or -100 (none)";
  const bool fits = value->is_number_integer() && (!value->is_number_unsigned() || value->get<uint64_t>() < uint64_t{1} << 62);
  if (fits && value->get<int64_t>() == kIgnored) return std::nullopt;
  if (fits && value->get<int64_t>() >= 0 && value->get<int64_t>() < num_classes)
    return static_cast<int32_t>(value->get<int64_t>());
  refuse_row(where, expected, shown(*value),
             value->is_number_integer() ? "Check that the labels count from 0, and `num_labels` of the model's config.json."
                                        : "Write the number of the class; `id2label` in the model's config.json names them.");
}

IdsSample ids_sample(const Json& row, const std::string& where, int64_t vocab_size, int64_t num_classes) {
  const Json* ids = present(row, "input_ids");
  if (!ids) refuse_row(where, "\"labels\" beside \"input_ids\"", "\"labels\" alone", "Add \"input_ids\" of the same length.");
  IdsSample sample;
  sample.ids = integers(*ids, "input_ids", where, vocab_size, false);
  if (num_classes > 0) {
    sample.row_class = class_field(row, where, num_classes);
    return sample;
  }
  const Json* labels = present(row, "labels");
  if (!labels) return sample;
  sample.labels = integers(*labels, "labels", where, vocab_size, true);
  if (sample.labels.size() != sample.ids.size()) {
    refuse_row(where, "as many labels as input_ids (" + std::to_string(sample.ids.size()) + ")",
               std::to_string(sample.labels.size()) + " labels",
               "Labels are aligned with input_ids; the shift by one is ours. Use -100 where nothing is to be learned.");
  }
  return sample;
}

}  // namespace

void refuse_row(const std::string& where, const std::string& expected, const std::string& found, const std::string& advice) {
  throw InputError({where, expected, found, advice, ""});
}

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) {
    size_t end = 57;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // whole characters only
    text = text.substr(0, end) + "...";
  }
  return text;
}

const Json* present(const Json& row, const char* name) {
  const auto found = row.find(name);
  return found == row.end() || found->is_null() ? nullptr : &*found;
}

Sample parse_json_row(const std::string& line, const std::string& where, int64_t vocab_size, int64_t num_classes) {
  if (is_blank(line)) {
    refuse_row(where, "one JSON object on every line", "an empty line",
               "Remove it: `sed -i '/^[[:space:]]*$/d' FILE` removes all empty lines.");
  }
  const Json row = parse_line(line, where);
  if (!row.is_object()) {
    refuse_row(where, "one JSON object on every line", shown(row),
               "If the file is one JSON array, convert it: `jq -c '.[]' FILE > FILE.jsonl`.");
  }
  switch (kind_of(row, where, num_classes > 0)) {
    case Kind::text:
      return TextSample{string_field(row, "text", where), num_classes > 0 ? class_field(row, where, num_classes) : std::nullopt};
    case Kind::completion:
      return completion_sample(row, where);
    case Kind::ids:
      return ids_sample(row, where, vocab_size, num_classes);
    case Kind::messages:
      return messages_row(row, where);
    case Kind::conversations:
      return conversations_row(row, where);
    case Kind::instruction:
      return instruction_row(row, where);
  }
  throw Bug("a row of no kind");
}

Sample parse_text_row(std::string line, const std::string& where) {
  if (const std::optional<size_t> at = find_invalid_utf8(line)) {
    refuse_row(where + ":" + std::to_string(*at + 1), "UTF-8 text", "bytes that are not UTF-8",
               "Convert the file: `iconv -f LATIN1 -t UTF-8 FILE > NEW`.");
  }
  return TextSample{std::move(line), {}};
}

}  // namespace distill
