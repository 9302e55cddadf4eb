#include "format.h"

#include <algorithm>
#include <cstdio>

#include "../unicode.h"
#include "machine.h"
#include "print.h"

namespace distill::jinja {
namespace {

constexpr int64_t kMaxWidth = 10'000;

class Formatter {
 public:
  Formatter(Machine& machine, const std::string& format, const Value& values)
      : machine_(machine), format_(format), values_(values) {}

  std::string run() {
    std::string out;
    while (at_ < format_.size()) {
      if (format_[at_] != '%') {
        out += format_[at_++];
        continue;
      }
      ++at_;
      out += conversion();
      machine_.step();
    }
    if (!used_mapping_ && !has_items() && next_ < count()) machine_.fail("more values than the format \"" + format_ + "\" takes");
    return out;
  }

 private:
  // Python does not mind values that are left over when they could be a mapping.
  bool has_items() const { return values_.dict() || values_.list() || values_.as<Range>() || values_.undefined(); }
  size_t count() const { return values_.tuple() ? values_.tuple()->items.size() : 1; }
  char peek() const { return at_ < format_.size() ? format_[at_] : '\0'; }

  Value next_value(const std::string& key, bool has_key) {
    if (has_key) {
      used_mapping_ = true;
      if (!values_.dict()) machine_.fail("a format with names needs a dictionary");
      const Value* value = machine_.find(*values_.dict(), make_string(key));
      if (!value) machine_.fail("the format names \"" + key + "\", which the dictionary lacks");
      return *value;
    }
    if (next_ >= count()) machine_.fail("fewer values than the format \"" + format_ + "\" takes");
    return values_.tuple() ? values_.tuple()->items[next_++] : (++next_, values_);
  }

  int64_t number() {
    int64_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_) value = std::min<int64_t>(value * 10 + (peek() - '0'), kMaxWidth + 1);
    if (value > kMaxWidth) machine_.fail_limit("a format asks for more than 10000 characters");
    return value;
  }

  std::string conversion() {
    std::string key;
    bool has_key = false;
    if (peek() == '(') {
      const size_t end = format_.find(')', at_);
      if (end == std::string::npos) machine_.fail("the format \"" + format_ + "\" has an open name");
      key = format_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
      has_key = true;
    }
    std::string flags;
    for (; peek() != '\0' && std::string("-+ 0#").find(peek()) != std::string::npos; ++at_) flags += peek();
    const int64_t width = number();
    int64_t precision = -1;
    if (peek() == '.') ++at_, precision = number();
    const char kind = peek();
    ++at_;
    if (kind == '%') return "%";
    return pad(one(kind, flags, precision, next_value(key, has_key)), flags, width, kind);
  }

  std::string one(char kind, const std::string& flags, int64_t precision, const Value& value) {
    switch (kind) {
      case 's':
      case 'r': {
        std::string text = kind == 's' ? to_text(machine_, value) : to_repr(machine_, value);
        size_t end = 0;
        for (int64_t i = 0; precision >= 0 && i < precision && end < text.size(); ++i) end += code_point_at(text, end).num_bytes;
        return precision >= 0 ? text.substr(0, end) : text;
      }
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        return integer(kind, flags, value);
      case 'f':
      case 'F':
      case 'e':
      case 'E':
      case 'g':
      case 'G':
        return floating(kind, flags, precision, value);
      default:
        machine_.fail("the conversion \"%" + std::string(1, kind ? kind : ' ') + "\" of a format, which is not available");
    }
  }

  std::string integer(char kind, const std::string& flags, const Value& value) {
    if (!is_number(value) || ((kind == 'x' || kind == 'X' || kind == 'o') && !is_integer(value)))
      machine_.fail(std::string("a number is needed for \"%") + kind + "\", not a value of type " + type_name(value));
    const double number = number_of(value);
    if (!is_integer(value) && !(number > -9.2e18 && number < 9.2e18)) machine_.fail("an integer of more than 64 bits");
    const int64_t integer = is_integer(value) ? integer_of(value) : static_cast<int64_t>(number);
    const uint64_t magnitude = integer < 0 ? 0 - static_cast<uint64_t>(integer) : static_cast<uint64_t>(integer);
    char digits[32];
    std::snprintf(digits, sizeof digits,
                  kind == 'x'   ? "%lx"
                  : kind == 'X' ? "%lX"
                  : kind == 'o' ? "%lo"
                                : "%lu",
                  static_cast<unsigned long>(magnitude));
    return sign(integer < 0, flags) + digits;
  }

  std::string floating(char kind, const std::string& flags, int64_t precision, const Value& value) {
    if (!is_number(value)) machine_.fail(std::string("a number is needed for \"%") + kind + "\"");
    const double number = number_of(value);
    const std::string format = std::string("%.*") + kind;
    char digits[12'000];
    std::snprintf(digits, sizeof digits, format.c_str(), static_cast<int>(precision < 0 ? 6 : precision), number);
    return digits[0] == '-' ? std::string(digits) : sign(false, flags) + digits;
  }

  static std::string sign(bool negative, const std::string& flags) {
    if (negative) return "-";
    return flags.find('+') != std::string::npos ? "+" : flags.find(' ') != std::string::npos ? " " : "";
  }

  std::string pad(const std::string& text, const std::string& flags, int64_t width, char kind) const {
    const size_t length = num_code_points(text);
    if (length >= static_cast<size_t>(width)) return text;
    const size_t missing = static_cast<size_t>(width) - length;
    if (flags.find('-') != std::string::npos) return text + std::string(missing, ' ');
    if (flags.find('0') == std::string::npos || kind == 's' || kind == 'r') return std::string(missing, ' ') + text;
    const size_t after_sign = text.find_first_not_of("+- ");
    return text.substr(0, after_sign) + std::string(missing, '0') + text.substr(after_sign);
  }

  Machine& machine_;
  const std::string format_;
  const Value values_;
  size_t at_ = 0;
  size_t next_ = 0;
  bool used_mapping_ = false;
};

}  // namespace

Value format_percent(Machine& machine, const Value& format, const Value& values) {
  if (format.string()->safe) machine.fail("\"%\" on a text that was marked safe, which is not available");
  return machine.text(Formatter(machine, format.bytes(), values).run());
}

}  // namespace distill::jinja
