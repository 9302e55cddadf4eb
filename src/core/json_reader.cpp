#include "distill/core/json_reader.h"

#include <set>
#include <vector>

#include "distill/core/error.h"
#include "distill/core/file.h"

namespace distill {
namespace {

constexpr int kMaxDepth = 128;

// nlohmann keeps the last of duplicate keys in silence; this callback sees every key as it is read.
class Checker {
 public:
  explicit Checker(const std::string& where) : where_(where) {}

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > kMaxDepth) throw InputError({where_, "at most 128 nested levels", "more", "Check where this file comes from.", ""});
    if (event == Event::object_start) open_.emplace_back();
    if (event == Event::object_end) open_.pop_back();
    if (event == Event::key && !open_.back().insert(parsed.get<std::string>()).second)
      throw InputError({where_, "every key once", "the key \"" + parsed.get<std::string>() + "\" twice", "Remove one of them.", ""});
    return true;
  }

 private:
  const std::string& where_;
  std::vector<std::set<std::string>> open_;
};

std::string line_and_column(std::string_view text, size_t byte) {
  size_t line = 1, column = 1;
  for (size_t i = 0; i + 1 < byte && i < text.size(); ++i) {
    column = text[i] == '\n' ? 1 : column + 1;
    line += text[i] == '\n';
  }
  return std::to_string(line) + ":" + std::to_string(column);
}

[[noreturn]] void wrong_type(const std::string& where, const char* key, const char* expected, const Json& found) {
  std::string text = found.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  throw InputError({where, std::string("\"") + key + "\" to be " + expected, text, "Correct the file or take it again from its source.", ""});
}

const Json* find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  try {
    return Json::parse(text.begin(), text.end(), Checker(where));
  } catch (const nlohmann::json::parse_error& error) {
    std::string reason = error.what();
    if (const size_t colon = reason.find("; last read"); colon != std::string::npos) reason.resize(colon);
    if (const size_t start = reason.find(": "); start != std::string::npos) reason = reason.substr(start + 2);
    throw InputError({where + ":" + line_and_column(text, error.byte), "valid JSON", reason,
                      "The file may be cut or not JSON: take it again from its source.", ""});
  } catch (const nlohmann::json::exception& error) {
    throw InputError({where, "valid JSON", error.what(), "Take the file again from its source.", ""});
  }
}

Json read_json_file(const std::string& path, uint64_t max_bytes) { return parse_json(read_file(path, max_bytes), path); }

const Json& json_member(const Json& object, const char* key, const std::string& where) {
  const Json* found = find(object, key);
  if (!found) throw InputError({where, std::string("the key \"") + key + "\"", "none", "Take the file again from its source.", ""});
  return *found;
}

std::string json_string(const Json& object, const char* key, const std::string& where) {
  const Json& value = json_member(object, key, where);
  if (!value.is_string()) wrong_type(where, key, "a string", value);
  return value.get<std::string>();
}

std::string json_string_or(const Json& object, const char* key, const std::string& fallback, const std::string& where) {
  return find(object, key) ? json_string(object, key, where) : fallback;
}

int64_t json_int(const Json& object, const char* key, const std::string& where) {
  const Json& value = json_member(object, key, where);
  if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX}))
    wrong_type(where, key, "an integer", value);
  return value.get<int64_t>();
}

int64_t json_int_or(const Json& object, const char* key, int64_t fallback, const std::string& where) {
  return find(object, key) ? json_int(object, key, where) : fallback;
}

double json_double_or(const Json& object, const char* key, double fallback, const std::string& where) {
  const Json* value = find(object, key);
  if (!value) return fallback;
  if (!value->is_number()) wrong_type(where, key, "a number", *value);
  return value->get<double>();
}

bool json_bool_or(const Json& object, const char* key, bool fallback, const std::string& where) {
  const Json* value = find(object, key);
  if (!value) return fallback;
  if (!value->is_boolean()) wrong_type(where, key, "true or false", *value);
  return value->get<bool>();
}

}  // namespace distill
