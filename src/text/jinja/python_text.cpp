#include "python_text.h"

#include <utf8proc.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "../unicode.h"

namespace distill::jinja {
namespace {

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }
char32_t simple_upper(char32_t c) { return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))); }
char32_t simple_title(char32_t c) { return static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))); }

// The capital forms of more than one character that text of today holds.
struct LongUpper {
  char32_t from;
  const char* upper;
  const char* title;
};
constexpr std::array<LongUpper, 11> kLongUpper = {{{0xDF, "SS", "Ss"},
                                                   {0x149, "\xCA\xBCN", "\xCA\xBCN"},
                                                   {0x1F0, "J\xCC\x8C", "J\xCC\x8C"},
                                                   {0x587, "\xD4\xB5\xD5\x92", "\xD4\xB5\xD6\x82"},
                                                   {0xFB00, "FF", "Ff"},
                                                   {0xFB01, "FI", "Fi"},
                                                   {0xFB02, "FL", "Fl"},
                                                   {0xFB03, "FFI", "Ffi"},
                                                   {0xFB04, "FFL", "Ffl"},
                                                   {0xFB05, "ST", "St"},
                                                   {0xFB06, "ST", "St"}}};

void append_upper(std::string& out, char32_t c, bool is_title) {
  for (const LongUpper& entry : kLongUpper)
    if (entry.from == c) {
      out += is_title ? entry.title : entry.upper;
      return;
    }
  append_code_point(out, is_title ? simple_title(c) : simple_upper(c));
}

bool is_cased(char32_t c) { return is_upper(c) || is_lower(c) || is_title(c); }
bool is_case_ignorable(char32_t c) {
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_ME || kind == UTF8PROC_CATEGORY_CF ||
         kind == UTF8PROC_CATEGORY_LM || kind == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' || c == ':' || c == 0xB7 ||
         c == 0x2019 || c == 0x2018 || c == 0x2027;
}

// Sigma at the end of a word has a form of its own.
bool ends_a_word(std::string_view text, size_t at) {
  bool after_cased = false;
  for (size_t end = at; end > 0 && !after_cased;) {
    const CodePoint before = code_point_before(text, end);
    end -= before.num_bytes;
    if (is_case_ignorable(before.value)) continue;
    if (!is_cased(before.value)) return false;
    after_cased = true;
  }
  if (!after_cased) return false;
  for (size_t next = at + 2; next < text.size();) {
    const CodePoint after = code_point_at(text, next);
    next += after.num_bytes;
    if (!is_case_ignorable(after.value)) return !is_cased(after.value);
  }
  return true;
}

void append_lower_at(std::string& out, std::string_view text, size_t at, char32_t c) {
  if (c == 0x3A3)
    append_code_point(out, ends_a_word(text, at) ? 0x3C2 : 0x3C3);
  else
    append_lowercase(out, c);
}

template <class Visit>
void each_code_point(std::string_view text, Visit&& visit) {
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    visit(at, c.value);
    at += c.num_bytes;
  }
}

bool starts_identifier(char32_t c) {
  if (c < 0x80) return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  return is_alphabetic(c) || category(c) == UTF8PROC_CATEGORY_NL;
}
bool continues_identifier(char32_t c) {
  if (c < 0x80) return starts_identifier(c) || (c >= '0' && c <= '9');
  const utf8proc_category_t kind = category(c);
  return starts_identifier(c) || kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_MC || kind == UTF8PROC_CATEGORY_ND ||
         kind == UTF8PROC_CATEGORY_PC;
}

}  // namespace

bool is_python_space(char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

size_t leading_space(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const CodePoint c = code_point_at(text, at);
    if (!is_python_space(c.value)) break;
    at += c.num_bytes;
  }
  return at;
}

size_t trailing_space(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    const CodePoint c = code_point_before(text, end);
    if (!is_python_space(c.value)) break;
    end -= c.num_bytes;
  }
  return text.size() - end;
}

size_t identifier_length(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const CodePoint c = code_point_at(text, at);
    if (!(at == 0 ? starts_identifier(c.value) : continues_identifier(c.value))) break;
    at += c.num_bytes;
  }
  return at;
}

std::string upper(std::string_view text) {
  std::string out;
  each_code_point(text, [&](size_t, char32_t c) { append_upper(out, c, false); });
  return out;
}

std::string lower(std::string_view text) {
  std::string out;
  each_code_point(text, [&](size_t at, char32_t c) { append_lower_at(out, text, at, c); });
  return out;
}

std::string capitalize(std::string_view text) {
  std::string out;
  each_code_point(text, [&](size_t at, char32_t c) { at == 0 ? append_upper(out, c, true) : append_lower_at(out, text, at, c); });
  return out;
}

std::string title(std::string_view text) {
  std::string out;
  bool in_word = false;
  each_code_point(text, [&](size_t at, char32_t c) {
    in_word ? append_lower_at(out, text, at, c) : append_upper(out, c, true);
    in_word = is_cased(c);
  });
  return out;
}

std::string swap_case(std::string_view text) {
  std::string out;
  each_code_point(text, [&](size_t at, char32_t c) {
    if (is_upper(c))
      append_lower_at(out, text, at, c);
    else if (is_lower(c))
      append_upper(out, c, false);
    else
      append_code_point(out, c);
  });
  return out;
}

bool is_alphabetic(char32_t c) {
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL || kind == UTF8PROC_CATEGORY_LT ||
         kind == UTF8PROC_CATEGORY_LM || kind == UTF8PROC_CATEGORY_LO;
}
bool is_decimal(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }
bool is_digit(char32_t c) {
  return is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 ||
         (c >= 0x2070 && c <= 0x2089 && category(c) == UTF8PROC_CATEGORY_NO);
}
bool is_numeral(char32_t c) { return is_numeric(c); }
bool is_upper(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LU; }
bool is_lower(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA; }
bool is_title(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LT; }

bool is_printable(char32_t c) {
  if (c == ' ') return true;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto scientific = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string text(buffer, scientific.ptr);
  const long exponent = std::strtol(text.c_str() + text.find('e') + 1, nullptr, 10);
  if (exponent < -4 || exponent >= 16) return text;
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  std::string out(buffer, fixed.ptr);
  return out.find('.') == std::string::npos ? out + ".0" : out;
}

std::string quoted_text(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos, has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  each_code_point(text, [&](size_t, char32_t c) {
    char escape[16];
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_printable(c)) {
      append_code_point(out, c);
    } else {
      std::snprintf(escape, sizeof escape, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", static_cast<unsigned>(c));
      out += escape;
    }
  });
  return out + quote;
}

}  // namespace distill::jinja
