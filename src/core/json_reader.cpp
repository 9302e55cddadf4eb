#include "distill/core/json_reader.h"

#include <unordered_set>
#include <vector>

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/json_text.h"

namespace distill {
namespace {

constexpr size_t kMaxDepth = 128;

// Builds the document from nlohmann's events. The library's own builder keeps the last of duplicate keys in silence, and looks
// through all earlier keys of an ordered object for each new one: a vocabulary of 150,000 words takes it 20 seconds.
class Builder {
 public:
  Builder(Json& root, const JsonText& text) : root_(root), text_(text) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(Json::number_integer_t value) { return add(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
  bool number_float(Json::number_float_t value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }  // JSON text has none
  bool start_object(size_t) { return open(Json::object()); }
  bool start_array(size_t) { return open(Json::array()); }
  bool end_array() { return close(); }
  bool end_object() {
    keys_.pop_back();
    return close();
  }
  bool key(std::string& name) {
    if (!keys_.back().insert(name).second)
      throw InputError({text_.where(), "every key once", "the key \"" + name + "\" twice", "Remove one of them.", ""});
    key_ = std::move(name);
    return true;
  }
  [[noreturn]] bool parse_error(size_t byte, const std::string&, const nlohmann::detail::exception& error) {
    text_.refuse(byte, error);
  }

 private:
  Json* place(Json&& value) {
    if (containers_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *containers_.back();
    if (parent.is_array()) return &parent.get_ref<Json::array_t&>().emplace_back(std::move(value));
    auto& members = static_cast<Json::object_t::Container&>(parent.get_ref<Json::object_t&>());
    return &members.emplace_back(std::move(key_), std::move(value)).second;
  }
  bool add(Json value) { return place(std::move(value)) != nullptr; }
  bool open(Json&& container) {
    if (containers_.size() >= kMaxDepth)
      throw InputError({text_.where(), "at most 128 nested levels", "more", "Check where this file comes from.", ""});
    if (container.is_object()) keys_.emplace_back();
    containers_.push_back(place(std::move(container)));
    return true;
  }
  bool close() {
    containers_.pop_back();
    return true;
  }

  Json& root_;
  const JsonText& text_;
  std::string key_;
  std::vector<Json*> containers_;  // the open ones; only the innermost grows, so the others stay in place
  std::vector<std::unordered_set<std::string>> keys_;
};

[[noreturn]] void wrong_type(const std::string& where, const char* key, const char* expected, const Json& found) {
  std::string text = found.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  throw InputError(
      {where, std::string("\"") + key + "\" to be " + expected, text, "Correct the file or take it again from its source.", ""});
}

const Json* find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  const JsonText source(text, where);
  Json root;
  Builder builder(root, source);
  source.send_to<Json>(builder);
  return root;
}

Json read_json_file(const std::string& path, uint64_t max_bytes) { return parse_json(read_file(path, max_bytes), path); }

const Json& json_member(const Json& object, const char* key, const std::string& where) {
  const Json* found = find(object, key);
  if (!found)
    throw InputError({where, std::string("the key \"") + key + "\"", "none", "Take the file again from its source.", ""});
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
