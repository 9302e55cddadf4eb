// A parsed YAML text as a plain tree in which every key and value knows its place. Built from yaml-cpp's events, because
// its own nodes hide duplicate keys, follow YAML 1.1 types and let anchors contain themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report.h"

namespace distill {

struct YamlEntry;

struct YamlNode {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  Spot spot;
  std::string text;                // of a scalar
  bool is_plain = false;           // a scalar without quotes, which may be a number or a word
  std::vector<YamlNode> items;     // of a list
  std::vector<YamlEntry> entries;  // of a map, in order, each key once
  size_t num_nodes = 1;            // with everything below, aliases expanded

  const YamlEntry* find(std::string_view key) const;
  YamlEntry* find(std::string_view key);
};

struct YamlEntry {
  std::string key;
  Spot key_spot;
  YamlNode value;
};

// Parses the one document in `text`, whose first character stands at `start` of its source. Syntax errors, duplicate keys,
// anchors that contain themselves and the like are reported; nullopt when no tree could be made, a null node when the
// document is empty.
std::optional<YamlNode> parse_yaml(const std::string& text, const Spot& start, Report& report);

// What a plain scalar means in YAML 1.2 (core schema): `yes` and `on` are texts, `1e-4` is a number, `010` is 10.
enum class ScalarType { null, boolean, integer, real, text };
ScalarType scalar_type(const YamlNode& scalar);
std::optional<int64_t> integer_value(const std::string& text);  // nullopt: does not fit in 64 bits
double real_value(const std::string& text);                     // also of an integer; .inf and .nan too
bool boolean_value(const std::string& text);

// For messages: "the number 3", "the text `abc`", "a list", "nothing".
std::string describe(const YamlNode& node);

}  // namespace distill
