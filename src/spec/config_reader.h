// Reads config.json key by key and remembers which keys were given a meaning, so that the rest can be refused by name.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "distill/core/json_reader.h"

namespace distill {

// `null` counts as absent for every reader below, as in transformers. All throw InputError with the file and the key.
class ConfigReader {
 public:
  // `object` must outlive the reader. `prefix` names an inner object in messages, e.g. "rope_scaling.".
  ConfigReader(const Json& object, std::string where, std::string prefix = "");

  bool holds(const char* key);                             // also with the value null
  const Json* find(const char* key);                       // nullptr when absent or null
  int64_t size(const char* key, int64_t max = INT32_MAX);  // 1..max, required
  int64_t size_or(const char* key, int64_t fallback, int64_t max = INT32_MAX);
  int64_t count_or(const char* key, int64_t fallback);  // 0..INT32_MAX
  double number_or(const char* key, double fallback);   // finite
  bool flag_or(const char* key, bool fallback);
  std::string word_or(const char* key, const std::string& fallback);
  std::vector<std::string> words(const char* key, int64_t length);  // {} when absent; else exactly `length` of them
  // A key that may be absent, but whose other values change the mathematics in ways that are not built.
  void must_be(const char* key, const Json& value);
  void harmless(const char* key) { known_.insert(key); }
  [[noreturn]] void refuse(const std::string& key, const std::string& expected, const std::string& found) const;
  // InputError that lists every key that nobody asked for; null, "", [] and {} carry nothing and pass.
  void refuse_the_rest() const;

  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  int64_t integer_between(const char* key, int64_t min, int64_t max);
  const Json& object_;
  std::string where_, prefix_;
  std::set<std::string> known_;
};

// A value of config.json as it stands in a message: shortened when long.
std::string short_text(const Json& value);

}  // namespace distill
