// The byte alphabet of GPT-2: every byte is spelled as one printable character.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace distill {

// The character (U+0021..U+0143) that spells a byte, in UTF-8.
std::string_view spell_byte(uint8_t byte);
// The byte that a character spells.
std::optional<uint8_t> spelled_byte(char32_t c);
// The bytes that a whole token spells; nullopt when one of its characters spells none. `token` is valid UTF-8.
std::optional<std::string> spelled_bytes(std::string_view token);

}  // namespace distill
