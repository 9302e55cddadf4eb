// UTF-8 and the few character classes that tokenizers ask about. Normal forms are in normal_forms.h, BERT's older classes in
// frozen_classes.h, regexes in regex.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "distill/core/utf8.h"

namespace distill {

struct CodePoint {
  char32_t value;
  size_t num_bytes;
};

// The code point at byte `at` of valid UTF-8.
CodePoint code_point_at(std::string_view text, size_t at);
// The code point that ends before byte `end` of valid UTF-8; `end` > 0.
CodePoint code_point_before(std::string_view text, size_t end);
void append_code_point(std::string& out, char32_t value);
size_t num_code_points(std::string_view text);

inline bool is_continuation_byte(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// One U+FFFD for each maximal ill-formed part, as Rust's `from_utf8_lossy` does.
std::string replace_invalid_utf8(std::string_view bytes);

bool is_white_space(char32_t c);  // the White_Space property
bool is_numeric(char32_t c);      // categories Nd, Nl, No
// Every character has one but U+0130, which has two. As Unicode 17 says.
void append_lowercase(std::string& out, char32_t c);

}  // namespace distill
