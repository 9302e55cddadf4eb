#include "charsmap.h"

#include <utf8proc.h>

#include <algorithm>
#include <utility>

#include "distill/core/error.h"

#include "unicode.h"

namespace distill {
namespace {

constexpr size_t kLongestWhole = 5;  // bytes of a grapheme that is looked up as a whole

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::string bytes;
  uint32_t bits = 0;
  int num_bits = 0;
  for (const char c : text) {
    const int digit = base64_digit(c);
    if (digit < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    num_bits += 6;
    if (num_bits < 8) continue;
    num_bits -= 8;
    bytes.push_back(static_cast<char>((bits >> num_bits) & 0xFF));
  }
  const bool canonical = (bits & ((1U << num_bits) - 1)) == 0;
  return canonical && num_bits < 6 ? std::optional(std::move(bytes)) : std::nullopt;
}

uint32_t little_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i > 0; --i) value = (value << 8) | static_cast<unsigned char>(bytes[i - 1]);
  return value;
}

uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & (1U << 9)) >> 6); }

size_t end_of_grapheme(std::string_view text, size_t begin) {
  CodePoint last = code_point_at(text, begin);
  size_t at = begin + last.num_bytes;
  for (utf8proc_int32_t state = 0; at < text.size(); at += last.num_bytes) {
    const CodePoint next = code_point_at(text, at);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(last.value), static_cast<utf8proc_int32_t>(next.value),
                                         &state))
      break;
    last = next;
  }
  return at;
}

}  // namespace

Charsmap::Charsmap(std::string_view base64, std::string where) : where_(std::move(where)) {
  const std::optional<std::string> decoded = decode_base64(base64);
  if (!decoded) refuse("base64 with its padding", "other characters, or a cut text");
  std::string_view bytes = *decoded;
  if (bytes.size() < 4) refuse("the size of the double array", std::to_string(bytes.size()) + " bytes");
  const uint32_t num_bytes = little_endian(bytes);
  bytes.remove_prefix(4);
  if (num_bytes < 4 || num_bytes % 4 != 0 || num_bytes > bytes.size())
    refuse("a double array of " + std::to_string(num_bytes) + " bytes, in units of 4", std::to_string(bytes.size()) + " bytes");
  for (size_t at = 0; at < num_bytes; at += 4) units_.push_back(little_endian(bytes.substr(at)));
  replacements_ = bytes.substr(num_bytes);
  if (find_invalid_utf8(replacements_)) refuse("replacements in UTF-8", "other bytes");
  for (size_t code = 0; code < 128; ++code) {
    const char c = static_cast<char>(code);
    ascii_stays_[code] = !replacement(std::string_view(&c, 1));
  }
}

void Charsmap::refuse(const std::string& expected, const std::string& found) const {
  throw InputError({where_, expected, found, "Take tokenizer.json again from its source.", ""});
}

uint32_t Charsmap::unit(uint32_t place) const {
  if (place >= units_.size()) refuse("places within the double array", std::to_string(place));
  return units_[place];
}

std::string_view Charsmap::replacement_at(uint32_t place) const {
  const std::string_view all = replacements_;
  if (place > all.size() || (place < all.size() && is_continuation_byte(all[place])))
    refuse("places of replacements", std::to_string(place));
  return all.substr(place, all.find('\0', place) - place);
}

std::optional<std::string_view> Charsmap::replacement(std::string_view chunk) const {
  uint32_t place = offset_of(unit(0));
  for (const char c : chunk) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) break;
    place ^= byte;
    const uint32_t here = unit(place);
    if ((here & ((1U << 31) | 0xFF)) != byte) break;
    place ^= offset_of(here);
    if ((here >> 8) & 1) return replacement_at(unit(place) & ~(1U << 31));
  }
  return std::nullopt;
}

// A replacement of nothing removes the character after the one before it; at the start there is none, and what follows is
// aligned with what was removed.
bool Charsmap::rewrite(std::string_view chunk, std::vector<Change>& changes) const {
  const std::optional<std::string_view> content = replacement(chunk);
  if (!content) return false;
  const auto num_old = static_cast<int>(num_code_points(chunk));
  int num_new = 0;
  for (size_t at = 0; at < content->size(); ++num_new) {
    const CodePoint point = code_point_at(*content, at);
    changes.push_back({point.value, num_new < num_old ? 0 : 1});
    at += point.num_bytes;
  }
  if (num_new < num_old && !changes.empty()) changes.back().change += num_new - num_old;
  return true;
}

bool Charsmap::rewrite_grapheme(std::string_view grapheme, std::vector<Change>& changes) const {
  if (grapheme.size() <= kLongestWhole && rewrite(grapheme, changes)) return true;
  bool rewritten = false;
  for (size_t at = 0; at < grapheme.size();) {
    const CodePoint point = code_point_at(grapheme, at);
    if (rewrite(grapheme.substr(at, point.num_bytes), changes))
      rewritten = true;
    else
      changes.push_back({point.value, 0});
    at += point.num_bytes;
  }
  return rewritten;
}

// An ASCII character before another one is a grapheme of its own, but for a line's end.
bool Charsmap::stays(std::string_view text, size_t at) const {
  const auto c = static_cast<unsigned char>(text[at]);
  if (c >= 128 || !ascii_stays_[c] || c == '\r') return false;
  return at + 1 == text.size() || static_cast<unsigned char>(text[at + 1]) < 128;
}

void Charsmap::apply(AlignedText& text) const {
  std::vector<Change> changes;
  bool rewritten = false;
  const std::string& from = text.text;
  for (size_t at = 0; at < from.size();) {
    if (stays(from, at)) {
      changes.push_back({static_cast<unsigned char>(from[at++]), 0});
      continue;
    }
    const size_t end = end_of_grapheme(from, at);
    rewritten = rewrite_grapheme(std::string_view(from).substr(at, end - at), changes) || rewritten;
    at = end;
  }
  if (!rewritten) return;
  text.make_explicit();
  Rewriter out(text);
  size_t at = 0;
  std::string utf8;
  for (const Change& change : changes) {
    utf8.clear();
    append_code_point(utf8, change.value);
    const size_t aligned_with = change.change > 0 && at > 0 ? at - 1 : std::min(at, from.size() - 1);
    out.add(utf8, text.spans[aligned_with]);
    for (int consumed = change.change; consumed <= 0 && at < from.size(); ++consumed) at += code_point_at(from, at).num_bytes;
  }
  text = out.take();
}

}  // namespace distill
