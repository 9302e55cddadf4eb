#include "unicode.h"

#include <utf8proc.h>

#include <cstdint>

namespace distill {
namespace {

unsigned char byte_at(std::string_view text, size_t at) { return static_cast<unsigned char>(text[at]); }

// Pairs that came after Unicode 13, the oldest that an installed utf8proc may know.
struct LowercaseRange {
  char32_t first, last;
  int32_t step;  // from a capital letter to its small letter
};
constexpr LowercaseRange kNewerLowercase[] = {{0x1C89, 0x1C89, 1},
                                              {0x2C2F, 0x2C2F, 0x30},
                                              {0xA7C0, 0xA7C0, 1},
                                              {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
                                              {0xA7CC, 0xA7CC, 1},
                                              {0xA7CE, 0xA7CE, 1},
                                              {0xA7D0, 0xA7D0, 1},
                                              {0xA7D2, 0xA7D2, 1},
                                              {0xA7D4, 0xA7D4, 1},
                                              {0xA7D6, 0xA7D6, 1},
                                              {0xA7D8, 0xA7D8, 1},
                                              {0xA7DA, 0xA7DA, 1},
                                              {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
                                              {0x10570, 0x1057A, 0x27},
                                              {0x1057C, 0x1058A, 0x27},
                                              {0x1058C, 0x10592, 0x27},
                                              {0x10594, 0x10595, 0x27},
                                              {0x10D50, 0x10D65, 0x20},
                                              {0x16EA0, 0x16EB8, 0x1B}};

char32_t simple_lowercase(char32_t c) {
  if (c >= kNewerLowercase[0].first)
    for (const LowercaseRange& range : kNewerLowercase)
      if (c >= range.first && c <= range.last) return static_cast<char32_t>(static_cast<int32_t>(c) + range.step);
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

}  // namespace

CodePoint code_point_at(std::string_view text, size_t at) {
  const unsigned char first = byte_at(text, at);
  const auto rest = [&](size_t i) { return static_cast<char32_t>(byte_at(text, at + i) & 0x3F); };
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {(static_cast<char32_t>(first & 0x1F) << 6) | rest(1), 2};
  if (first < 0xF0) return {(static_cast<char32_t>(first & 0x0F) << 12) | (rest(1) << 6) | rest(2), 3};
  return {(static_cast<char32_t>(first & 0x07) << 18) | (rest(1) << 12) | (rest(2) << 6) | rest(3), 4};
}

CodePoint code_point_before(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && is_continuation_byte(text[begin])) --begin;
  return code_point_at(text, begin);
}

void append_code_point(std::string& out, char32_t value) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (value < 0x80) return put(value);
  if (value < 0x800) {
    put(0xC0 | (value >> 6));
  } else {
    if (value < 0x10000) {
      put(0xE0 | (value >> 12));
    } else {
      put(0xF0 | (value >> 18));
      put(0x80 | ((value >> 12) & 0x3F));
    }
    put(0x80 | ((value >> 6) & 0x3F));
  }
  put(0x80 | (value & 0x3F));
}

size_t num_code_points(std::string_view text) {
  size_t count = 0;
  for (const char byte : text) count += !is_continuation_byte(byte);
  return count;
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Sequence sequence = utf8_sequence_at(bytes, at);
    if (sequence.well_formed)
      out.append(bytes.substr(at, sequence.num_bytes));
    else
      append_code_point(out, 0xFFFD);
    at += sequence.num_bytes;
  }
  return out;
}

bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

void append_lowercase(std::string& out, char32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + 0x20 : c));
  } else if (c == 0x130) {
    out += "i\xCC\x87";
  } else {
    append_code_point(out, simple_lowercase(c));
  }
}

bool is_numeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL || category == UTF8PROC_CATEGORY_NO;
}

}  // namespace distill
