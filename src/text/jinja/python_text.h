// Classes and cases of characters as Python's str has them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace distill::jinja {

bool is_python_space(char32_t c);  // str.isspace
// Bytes of white space at the front and at the back of valid UTF-8.
size_t leading_space(std::string_view text);
size_t trailing_space(std::string_view text);
// Bytes of the identifier at the front; 0: none.
size_t identifier_length(std::string_view text);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);
std::string title(std::string_view text);
std::string swap_case(std::string_view text);

bool is_alphabetic(char32_t c);
bool is_decimal(char32_t c);
bool is_digit(char32_t c);
bool is_numeral(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_title(char32_t c);
bool is_printable(char32_t c);

// Shortest text that reads back as the same number, as Python's repr().
std::string float_text(double value);
// A string as Python's repr(), with its quotation marks.
std::string quoted_text(std::string_view text);

}  // namespace distill::jinja
