#include "distill/core/utf8.h"

#include <cstdint>
#include <cstring>

namespace distill {
namespace {

unsigned char byte_at(std::string_view text, size_t at) { return static_cast<unsigned char>(text[at]); }

struct LeadByte {
  size_t num_bytes;               // 0: no sequence starts with it
  unsigned char lowest, highest;  // allowed range of the second byte
};

// Table 3-7 of the Unicode standard.
LeadByte lead_byte(unsigned char b) {
  if (b < 0x80) return {1, 0, 0};
  if (b < 0xC2) return {0, 0, 0};
  if (b < 0xE0) return {2, 0x80, 0xBF};
  if (b == 0xE0) return {3, 0xA0, 0xBF};
  if (b == 0xED) return {3, 0x80, 0x9F};
  if (b < 0xF0) return {3, 0x80, 0xBF};
  if (b == 0xF0) return {4, 0x90, 0xBF};
  if (b < 0xF4) return {4, 0x80, 0xBF};
  if (b == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// The first byte at or after `at` that is not ASCII; eight bytes at a time.
size_t skip_ascii(std::string_view text, size_t at) {
  while (at + 8 <= text.size()) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    if (word & 0x8080808080808080ULL) break;
    at += 8;
  }
  while (at < text.size() && byte_at(text, at) < 0x80) ++at;
  return at;
}

}  // namespace

Utf8Sequence utf8_sequence_at(std::string_view text, size_t at) {
  const LeadByte lead = lead_byte(byte_at(text, at));
  if (lead.num_bytes == 0) return {false, 1};
  for (size_t i = 1; i < lead.num_bytes; ++i) {
    if (at + i >= text.size()) return {false, i};
    const unsigned char b = byte_at(text, at + i);
    const bool fits = i == 1 ? b >= lead.lowest && b <= lead.highest : (b & 0xC0) == 0x80;
    if (!fits) return {false, i};
  }
  return {true, lead.num_bytes};
}

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  for (size_t at = skip_ascii(text, 0); at < text.size(); at = skip_ascii(text, at)) {
    const Utf8Sequence sequence = utf8_sequence_at(text, at);
    if (!sequence.well_formed) return at;
    at += sequence.num_bytes;
  }
  return std::nullopt;
}

}  // namespace distill
