// The types of YAML 1.2 scalars (core schema, chapter 10.3.2). yaml-cpp follows YAML 1.1 here: octal `010`, `yes` as true.
#include <charconv>
#include <cmath>
#include <limits>

#include "yaml_node.h"

namespace distill {
namespace {

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

std::string_view without_sign(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return text;
}

size_t take_digits(std::string_view& text) {
  size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  text.remove_prefix(count);
  return count;
}

bool is_decimal_integer(std::string_view text) {
  text = without_sign(text);
  return take_digits(text) > 0 && text.empty();
}

bool is_based_integer(std::string_view text) {  // 0o17, 0xFF
  if (text.size() < 3 || text[0] != '0' || (text[1] != 'o' && text[1] != 'x')) return false;
  const bool hex = text[1] == 'x';
  return text.substr(2).find_first_not_of(hex ? "0123456789abcdefABCDEF" : "01234567") == std::string_view::npos;
}

bool is_special_real(std::string_view text) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
  text = without_sign(text);
  return text == ".inf" || text == ".Inf" || text == ".INF";
}

bool is_decimal_real(std::string_view text) {
  text = without_sign(text);
  size_t digits = take_digits(text);
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    digits += take_digits(text);
  }
  if (digits == 0) return false;
  if (text.empty()) return true;
  if (text.front() != 'e' && text.front() != 'E') return false;
  text.remove_prefix(1);
  return is_decimal_integer(text);
}

}  // namespace

ScalarType scalar_type(const YamlNode& scalar) {
  const std::string& text = scalar.text;
  if (!scalar.is_plain) return ScalarType::text;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return ScalarType::null;
  for (const char* word : {"true", "True", "TRUE", "false", "False", "FALSE"})
    if (text == word) return ScalarType::boolean;
  if (is_decimal_integer(text) || is_based_integer(text)) return ScalarType::integer;
  if (is_decimal_real(text) || is_special_real(text)) return ScalarType::real;
  return ScalarType::text;
}

std::optional<int64_t> integer_value(const std::string& text) {
  std::string_view digits = text;
  const bool based = is_based_integer(digits);
  const int base = !based ? 10 : text[1] == 'x' ? 16 : 8;
  if (based) digits.remove_prefix(2);
  if (digits.front() == '+') digits.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

double real_value(const std::string& text) {
  if (is_special_real(text)) {
    if (text.find_first_of("fF") == std::string::npos) return std::numeric_limits<double>::quiet_NaN();
    return text.front() == '-' ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  }
  if (is_based_integer(text)) return static_cast<double>(integer_value(text).value_or(0));
  std::string_view digits = text;
  if (digits.front() == '+') digits.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) {  // 1e999 and 1e-999: strtod tells the two apart
    return std::strtod(text.c_str(), nullptr);
  }
  return error == std::errc() && end == digits.data() + digits.size() ? value : std::numeric_limits<double>::quiet_NaN();
}

bool boolean_value(const std::string& text) { return text == "true" || text == "True" || text == "TRUE"; }

std::string describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::list:
      return node.items.empty() ? "an empty list" : "a list";
    case YamlNode::Kind::map:
      return node.entries.empty() ? "an empty mapping" : "a mapping";
    case YamlNode::Kind::scalar:
      break;
  }
  switch (scalar_type(node)) {
    case ScalarType::null:
      return "nothing";
    case ScalarType::boolean:
      return "`" + node.text + "`";
    case ScalarType::integer:
    case ScalarType::real:
      return "the number " + shortened(node.text);
    case ScalarType::text:
      break;
  }
  if (node.text.empty()) return "an empty text";
  return node.is_plain ? "`" + shortened(node.text) + "`" : "the text \"" + shortened(node.text) + "\"";
}

}  // namespace distill
