// Cuts the source of a template into tokens, with Jinja's white space rules for trim_blocks and lstrip_blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace distill::jinja {

enum class TokenKind { data, output_begin, output_end, block_begin, block_end, name, string, integer, floating, operation, end };

struct Token {
  TokenKind kind;
  uint32_t line;
  std::string text;  // of strings and data: what they stand for
  int64_t integer = 0;
  double floating = 0;
};

// A mistake in a template's text; whoever knows the file's name makes an InputError of it.
struct SyntaxMistake {
  uint32_t line;
  std::string expected;
  std::string found;
};

// `source` is valid UTF-8. Throws SyntaxMistake.
std::vector<Token> tokenize(std::string_view source);

}  // namespace distill::jinja
