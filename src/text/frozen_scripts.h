// The script of a character as the reference library's UnicodeScripts has it: Hiragana and Katakana count as Han, and a character
// that its table does not know goes with every script.
#pragma once

#include <cstdint>

namespace distill {

// Only `any`, of the space and of unknown characters, has a name; the others are told apart by number.
enum class Script : uint8_t { any = 0 };
Script script_of(char32_t c);

}  // namespace distill
