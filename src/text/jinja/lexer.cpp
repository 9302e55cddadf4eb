#include "lexer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "../unicode.h"
#include "python_text.h"

namespace distill::jinja {
namespace {

constexpr std::array<std::string_view, 6> kLongOperators = {"//", "**", "==", "!=", ">=", "<="};
constexpr std::string_view kShortOperators = "+-/*%~[](){}><=.:|,;";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      out += '\n';
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalize_newlines(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) read_data();
    add(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool starts(std::string_view word) const { return rest().substr(0, word.size()) == word; }
  char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  [[noreturn]] void fail(const std::string& expected, const std::string& found) const {
    throw SyntaxMistake{line_, expected, found};
  }

  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }

  void advance(size_t count) {
    line_ += static_cast<uint32_t>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                              source_.begin() + static_cast<std::ptrdiff_t>(at_ + count), '\n'));
    at_ += count;
  }
  void skip_space() { advance(leading_space(rest())); }

  // The text up to a tag that begins with `sign` ('-', '+' or none), without the white space that the tag takes away.
  std::string_view cut_before_tag(std::string_view text, char sign, bool is_output) const {
    if (sign == '-') return text.substr(0, text.size() - trailing_space(text));
    if (sign == '+' || is_output) return text;
    const size_t line_start = text.rfind('\n') + 1;  // 0 without a line break
    if (line_start == 0 && !line_starting_) return text;
    const std::string_view last_line = text.substr(line_start);
    return !last_line.empty() && leading_space(last_line) == last_line.size() ? text.substr(0, line_start) : text;
  }

  size_t next_tag() const {
    for (size_t i = source_.find('{', at_); i != std::string::npos; i = source_.find('{', i + 1))
      if (i + 1 < source_.size() && (source_[i + 1] == '%' || source_[i + 1] == '{' || source_[i + 1] == '#')) return i;
    return std::string::npos;
  }

  char sign() const { return peek() == '-' || peek() == '+' ? peek() : '\0'; }

  void read_data() {
    const size_t tag = next_tag();
    if (tag == std::string::npos) {
      add(TokenKind::data, std::string(rest()));
      return advance(source_.size() - at_);
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() && (source_[tag + 2] == '-' || source_[tag + 2] == '+') ? source_[tag + 2] : '\0';
    const std::string_view text = cut_before_tag(rest().substr(0, tag - at_), sign, kind == '{');
    if (!text.empty()) add(TokenKind::data, std::string(text));
    advance(tag - at_ + 2 + (sign != '\0'));
    if (kind == '#') return read_comment();
    if (kind == '{') return read_tag(TokenKind::output_begin, TokenKind::output_end, "}}");
    if (read_raw()) return;
    read_tag(TokenKind::block_begin, TokenKind::block_end, "%}");
  }

  void end_tag(size_t begin) { line_starting_ = at_ > begin && source_[at_ - 1] == '\n'; }

  // At the end of a block or comment: the tag's own sign, and what it takes after it.
  void close_block(size_t num_bytes, char sign) {
    const size_t begin = at_;
    advance(num_bytes);
    if (sign == '-')
      skip_space();
    else if (sign == '\0' && peek() == '\n')
      advance(1);
    end_tag(begin);
  }

  void read_comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos) fail("#} at the end of the comment", "the end of the template");
    const char before = end > at_ ? source_[end - 1] : '\0';
    advance(end - at_);
    close_block(2, before == '-' || before == '+' ? before : '\0');
  }

  // `raw %}` after a block's beginning; false: another tag.
  bool read_raw() {
    size_t i = at_ + leading_space(rest());
    if (source_.compare(i, 3, "raw") != 0) return false;
    i += 3;
    i += leading_space(std::string_view(source_).substr(i));
    const bool strips = source_.compare(i, 3, "-%}") == 0;
    if (!strips && source_.compare(i, 2, "%}") != 0) return false;
    advance(i - at_ + (strips ? 3 : 2));
    if (strips) skip_space();
    end_tag(i);
    read_raw_text();
    return true;
  }

  void read_raw_text() {
    for (size_t i = source_.find("{%", at_); i != std::string::npos; i = source_.find("{%", i + 1)) {
      size_t end = i + 2;
      const char sign = end < source_.size() && (source_[end] == '-' || source_[end] == '+') ? source_[end] : '\0';
      end += sign != '\0';
      end += leading_space(std::string_view(source_).substr(end));
      if (source_.compare(end, 6, "endraw") != 0) continue;
      end += 6;
      end += leading_space(std::string_view(source_).substr(end));
      const char last = end < source_.size() && (source_[end] == '-' || source_[end] == '+') ? source_[end] : '\0';
      if (source_.compare(end + (last != '\0'), 2, "%}") != 0) continue;
      const std::string_view text = cut_before_tag(rest().substr(0, i - at_), sign, false);
      if (!text.empty()) add(TokenKind::data, std::string(text));
      advance(end - at_);
      return close_block(2 + (last != '\0'), last);
    }
    fail("{% endraw %}", "the end of the template");
  }

  // True when the tag ended here.
  bool read_tag_end(TokenKind end, std::string_view closing) {
    if (!brackets_.empty()) return false;
    const bool has_sign = peek() == '-' || (peek() == '+' && end == TokenKind::block_end);
    if (rest().substr(has_sign, 2) != closing) return false;
    const char sign = has_sign ? peek() : '\0';
    add(end, std::string(closing));
    const size_t begin = at_;
    if (end == TokenKind::block_end) {
      close_block(2 + has_sign, sign);
    } else {
      advance(2 + has_sign);
      if (sign == '-') skip_space();
      end_tag(begin);
    }
    return true;
  }

  void read_tag(TokenKind begin, TokenKind end, std::string_view closing) {
    add(begin, "");
    while (at_ < source_.size()) {
      if (read_tag_end(end, closing)) return;
      if (const size_t space = leading_space(rest())) {
        advance(space);
        continue;
      }
      read_token();
    }
    brackets_.clear();
  }

  void read_token() {
    if (is_digit(peek())) return read_number();
    if (peek() == '\'' || peek() == '"') return read_string();
    if (const size_t length = identifier_length(rest())) {
      add(TokenKind::name, std::string(rest().substr(0, length)));
      return advance(length);
    }
    read_operator();
  }

  void read_operator() {
    for (const std::string_view word : kLongOperators) {
      if (!starts(word)) continue;
      add(TokenKind::operation, std::string(word));
      return advance(word.size());
    }
    const char c = peek();
    if (kShortOperators.find(c) == std::string_view::npos)
      fail("an expression", "the character \"" + std::string(rest().substr(0, code_point_at(source_, at_).num_bytes)) + "\"");
    check_bracket(c);
    add(TokenKind::operation, std::string(1, c));
    advance(1);
  }

  void check_bracket(char c) {
    if (c == '(') brackets_ += ')';
    if (c == '[') brackets_ += ']';
    if (c == '{') brackets_ += '}';
    if (c != ')' && c != ']' && c != '}') return;
    if (brackets_.empty() || brackets_.back() != c)
      fail(brackets_.empty() ? "the end of the tag" : "\"" + std::string(1, brackets_.back()) + "\"",
           "\"" + std::string(1, c) + "\"");
    brackets_.pop_back();
  }

  // Digits with single underscores between them, at `i`; their end.
  template <class IsDigit>
  size_t digits_end(size_t i, IsDigit&& is_one) const {
    size_t end = i;
    for (;; ++i) {
      if (i < source_.size() && is_one(source_[i]))
        end = i + 1;
      else if (i >= source_.size() || source_[i] != '_' || end != i)
        return end;
    }
  }

  void read_number() {
    if (const size_t end = float_end(); end != 0) return read_float(end);
    const auto prefixed = [&](char letter, int base, auto&& is_one) {
      if (peek() != '0' || (peek(1) | 0x20) != letter) return false;
      const size_t first = at_ + 2 + (peek(2) == '_');
      const size_t end = digits_end(first, is_one);
      if (end == first) return false;
      read_integer(at_ + 2, end, base);
      return true;
    };
    if (prefixed('b', 2, [](char c) { return c == '0' || c == '1'; })) return;
    if (prefixed('o', 8, [](char c) { return c >= '0' && c <= '7'; })) return;
    if (prefixed('x', 16, [](char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); })) return;
    if (peek() == '0') return read_integer(at_, digits_end(at_, [](char c) { return c == '0'; }), 10);
    read_integer(at_, digits_end(at_, is_digit), 10);
  }

  // 0: no floating-point number starts here.
  size_t float_end() const {
    if (at_ > 0 && source_[at_ - 1] == '.') return 0;
    const size_t whole = digits_end(at_, is_digit);
    size_t end = whole;
    if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) end = digits_end(end + 1, is_digit);
    if (end < source_.size() && (source_[end] | 0x20) == 'e') {
      size_t exponent = end + 1;
      if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
      if (exponent < source_.size() && is_digit(source_[exponent])) return digits_end(exponent, is_digit);
    }
    return end == whole ? 0 : end;
  }

  std::string without_underscores(size_t begin, size_t end) const {
    std::string digits = source_.substr(begin, end - begin);
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    return digits;
  }

  void read_float(size_t end) {
    const std::string digits = without_underscores(at_, end);
    add(TokenKind::floating, digits);
    tokens_.back().floating = std::strtod(digits.c_str(), nullptr);
    advance(end - at_);
  }

  void read_integer(size_t begin, size_t end, int base) {
    const std::string digits = without_underscores(begin, end);
    int64_t value = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value, base).ec != std::errc())
      fail("an integer of at most 64 bits", digits);
    add(TokenKind::integer, digits);
    tokens_.back().integer = value;
    advance(end - at_);
  }

  void read_string() {
    const char quote = peek();
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail("a quotation mark at the end of the string", "the end of the template");
    add(TokenKind::string, unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1)));
    advance(end + 1 - at_);
  }

  std::string unescape(std::string_view text) const {
    std::string out;
    for (size_t i = 0; i < text.size();) {
      if (text[i] != '\\' || i + 1 >= text.size())
        out += text[i++];
      else
        i = unescape_one(text, i, out);
    }
    return out;
  }

  // The escape at `i`, a backslash; where it ends.
  size_t unescape_one(std::string_view text, size_t i, std::string& out) const {
    constexpr std::string_view kFrom = "ntr\\'\"abfv", kTo = "\n\t\r\\'\"\a\b\f\v";
    const char c = text[i + 1];
    if (c == '\n') return i + 2;
    if (const size_t known = kFrom.find(c); known != std::string_view::npos) {
      out += kTo[known];
      return i + 2;
    }
    if (c >= '0' && c <= '7') {
      size_t end = i + 1;
      char32_t value = 0;
      for (; end < text.size() && end < i + 4 && text[end] >= '0' && text[end] <= '7'; ++end)
        value = value * 8 + static_cast<char32_t>(text[end] - '0');
      append_code_point(out, value);
      return end;
    }
    if (c == 'x') return unescape_hex(text, i, 2, out);
    if (c == 'u') return unescape_hex(text, i, 4, out);
    if (c == 'U') return unescape_hex(text, i, 8, out);
    if (c == 'N') fail("an escape with a number, such as \\u00e9", "an escape with a name (\\N{...}), which is not available");
    out += '\\';
    if (static_cast<unsigned char>(c) < 0x80) {
      out += c;
      return i + 2;
    }
    return escape_spelled_out(text, i + 1, out);
  }

  // Jinja spells a character beyond ASCII as an escape first, so that a backslash before it eats that escape's own.
  static size_t escape_spelled_out(std::string_view text, size_t i, std::string& out) {
    const CodePoint c = code_point_at(text, i);
    char spelled[16];
    std::snprintf(spelled, sizeof spelled,
                  c.value < 0x100     ? "x%02x"
                  : c.value < 0x10000 ? "u%04x"
                                      : "U%08x",
                  static_cast<unsigned>(c.value));
    out += spelled;
    return i + c.num_bytes;
  }

  size_t unescape_hex(std::string_view text, size_t i, size_t num_digits, std::string& out) const {
    uint32_t value = 0;
    const char* first = text.data() + std::min(i + 2, text.size());
    const char* last = text.data() + std::min(i + 2 + num_digits, text.size());
    const auto [end, error] = std::from_chars(first, last, value, 16);
    if (error != std::errc() || end != first + num_digits)
      fail(std::to_string(num_digits) + " hexadecimal digits",
           "the escape \"" + std::string(text.substr(i, 2 + num_digits)) + "\"");
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
      fail("a character of Unicode", "the escape of a surrogate, or beyond the last");
    append_code_point(out, value);
    return i + 2 + num_digits;
  }

  const std::string source_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  bool line_starting_ = true;
  std::string brackets_;  // the closing ones that are due
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace distill::jinja
