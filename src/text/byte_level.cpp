#include "byte_level.h"

#include <array>

#include "unicode.h"

namespace distill {
namespace {

// Printable bytes stand for themselves; the others are numbered upwards from U+0100.
constexpr bool is_printable(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, 256> make_characters() {
  std::array<char32_t, 256> out{};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) out[byte] = is_printable(byte) ? char32_t{byte} : next++;
  return out;
}

constexpr std::array<char32_t, 256> kCharacters = make_characters();
constexpr char32_t kNumCharacters = 0x144;

constexpr std::array<int16_t, kNumCharacters> make_bytes() {
  std::array<int16_t, kNumCharacters> out{};
  for (int16_t& byte : out) byte = -1;
  for (unsigned byte = 0; byte < 256; ++byte) out[kCharacters[byte]] = static_cast<int16_t>(byte);
  return out;
}

constexpr std::array<int16_t, kNumCharacters> kBytes = make_bytes();

struct Spelling {
  std::array<char, 2> utf8{};
  uint8_t num_bytes = 0;
};

constexpr std::array<Spelling, 256> make_spellings() {
  std::array<Spelling, 256> out{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char32_t c = kCharacters[byte];
    if (c < 0x80)
      out[byte] = {{static_cast<char>(c), 0}, 1};
    else
      out[byte] = {{static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3F))}, 2};
  }
  return out;
}

constexpr std::array<Spelling, 256> kSpellings = make_spellings();

}  // namespace

std::string_view spell_byte(uint8_t byte) { return {kSpellings[byte].utf8.data(), kSpellings[byte].num_bytes}; }

std::optional<uint8_t> spelled_byte(char32_t c) {
  if (c >= kNumCharacters || kBytes[c] < 0) return std::nullopt;
  return static_cast<uint8_t>(kBytes[c]);
}

std::optional<std::string> spelled_bytes(std::string_view token) {
  std::string out;
  for (size_t at = 0; at < token.size();) {
    const CodePoint point = code_point_at(token, at);
    const std::optional<uint8_t> byte = spelled_byte(point.value);
    if (!byte) return std::nullopt;
    out.push_back(static_cast<char>(*byte));
    at += point.num_bytes;
  }
  return out;
}

}  // namespace distill
