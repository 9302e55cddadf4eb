#include "config_reader.h"

#include <cmath>

#include "distill/core/error.h"

namespace distill {

ConfigReader::ConfigReader(const Json& object, std::string where, std::string prefix)
    : object_(object), where_(std::move(where)), prefix_(std::move(prefix)) {
  if (!object.is_object()) {
    throw InputError({where_,
                      prefix_.empty() ? "a JSON object" : "\"" + prefix_.substr(0, prefix_.size() - 1) + "\" to be an object",
                      short_text(object), "Take the file again from its source.", ""});
  }
}

bool ConfigReader::holds(const char* key) {
  known_.insert(key);
  return object_.contains(key);
}

const Json* ConfigReader::find(const char* key) {
  known_.insert(key);
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

int64_t ConfigReader::integer_between(const char* key, int64_t min, int64_t max) {
  const Json& value = *find(key);
  const bool integer = value.is_number_integer() && !(value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX});
  if (!integer || value.get<int64_t>() < min || value.get<int64_t>() > max)
    refuse(key, "an integer between " + std::to_string(min) + " and " + std::to_string(max), short_text(value));
  return value.get<int64_t>();
}

int64_t ConfigReader::size(const char* key, int64_t max) {
  if (!find(key)) refuse(key, "a size", "none");
  return integer_between(key, 1, max);
}

int64_t ConfigReader::size_or(const char* key, int64_t fallback, int64_t max) {
  return find(key) ? integer_between(key, 1, max) : fallback;
}

int64_t ConfigReader::count_or(const char* key, int64_t fallback) {
  return find(key) ? integer_between(key, 0, INT32_MAX) : fallback;
}

double ConfigReader::number_or(const char* key, double fallback) {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_number() || !std::isfinite(value->get<double>())) refuse(key, "a number", short_text(*value));
  return value->get<double>();
}

bool ConfigReader::flag_or(const char* key, bool fallback) {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_boolean()) refuse(key, "true or false", short_text(*value));
  return value->get<bool>();
}

std::string ConfigReader::word_or(const char* key, const std::string& fallback) {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_string()) refuse(key, "a string", short_text(*value));
  return value->get<std::string>();
}

std::vector<std::string> ConfigReader::words(const char* key, int64_t length) {
  const Json* value = find(key);
  if (!value) return {};
  if (!value->is_array()) refuse(key, "a list of strings", short_text(*value));
  if (static_cast<int64_t>(value->size()) != length)
    refuse(key, "a list of " + std::to_string(length) + " entries", std::to_string(value->size()) + " entries");
  std::vector<std::string> words;
  for (const Json& entry : *value) {
    if (!entry.is_string()) refuse(key, "a list of strings", short_text(entry));
    words.push_back(entry.get<std::string>());
  }
  return words;
}

void ConfigReader::must_be(const char* key, const Json& value) {
  const Json* found = find(key);
  if (found && *found != value) {
    throw InputError({where_, "\"" + prefix_ + key + "\" to be " + value.dump(), short_text(*found),
                      "This variant of the architecture is not available yet.", ""});
  }
}

void ConfigReader::refuse(const std::string& key, const std::string& expected, const std::string& found) const {
  throw InputError({where_, "\"" + prefix_ + key + "\" to be " + expected, found,
                    "Correct the value, or take config.json again from the model's source.", ""});
}

void ConfigReader::refuse_the_rest() const {
  constexpr size_t kShown = 8;
  std::string rest;
  std::string hint;
  size_t num_unknown = 0;
  for (const auto& [key, value] : object_.items()) {
    const bool empty = value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty()) ||
                       (value.is_structured() && value.empty());
    if (empty || known_.count(key)) continue;
    if (num_unknown++ >= kShown) continue;
    rest += (rest.empty() ? "" : ", ") + short_text(Json(prefix_ + key)) + ": " + short_text(value);
    const std::string near = nearest_word(key, {known_.begin(), known_.end()});
    if (hint.empty() && !near.empty()) hint = " Did you mean \"" + near + "\"?";
  }
  if (rest.empty()) return;
  if (num_unknown > kShown) rest += " and " + std::to_string(num_unknown - kShown) + " more";
  throw InputError({where_, "only keys that are known for this architecture", rest,
                    "A key that is not known may change the mathematics." + hint +
                        " Remove it if you are certain that this model does not use it.",
                    ""});
}

std::string short_text(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

}  // namespace distill
