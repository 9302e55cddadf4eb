#include "distill/core/json_text.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "distill/core/error.h"
#include "distill/core/utf8.h"

namespace distill {
namespace {

constexpr size_t kLongToken = size_t{1} << 16;
constexpr size_t kLongestNumber = 4096;  // digits of a number beyond any double

std::string line_and_column(std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, byte > 0 ? byte - 1 : 0);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  const size_t column = 1 + before.size() - (newline == std::string_view::npos ? 0 : newline + 1);
  return std::to_string(line) + ":" + std::to_string(column);
}

// Four hexadecimal digits behind `\u`; empty when they are none.
std::optional<uint32_t> escaped_unit(std::string_view text, size_t at) {
  if (text.substr(at, 2) != "\\u" || text.size() < at + 6) return std::nullopt;
  uint32_t unit = 0;
  for (const char c : text.substr(at + 2, 4)) {
    constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    unit = unit * 16 + static_cast<uint32_t>(digit % 16);
  }
  return unit;
}

// Bytes of the escape that begins at the backslash; 0 when it is none. Surrogates come in pairs.
size_t escape_bytes(std::string_view text, size_t at) {
  constexpr std::string_view kShort = "\"\\/bfnrt";
  if (at + 1 < text.size() && kShort.find(text[at + 1]) != std::string_view::npos) return 2;
  const std::optional<uint32_t> unit = escaped_unit(text, at);
  if (!unit) return 0;
  if (*unit < 0xD800 || *unit > 0xDFFF) return 6;
  const std::optional<uint32_t> low = *unit < 0xDC00 ? escaped_unit(text, at + 6) : std::nullopt;
  return low && *low >= 0xDC00 && *low <= 0xDFFF ? 12 : 0;
}

// The end of the string whose contents begin at `at`: behind its quote, or where it breaks, and why.
struct StringEnd {
  size_t at;
  const char* fault = nullptr;
};

StringEnd end_of_string(std::string_view text, size_t at) {
  while (at < text.size()) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '"') return {at + 1};
    if (byte < 0x20) return {at, "a control character in a string, which must be escaped"};
    if (byte == '\\') {
      const size_t length = escape_bytes(text, at);
      if (length == 0) return {at, "a backslash that begins no escape of JSON"};
      at += length;
    } else if (byte < 0x80) {
      ++at;
    } else {
      const Utf8Sequence sequence = utf8_sequence_at(text, at);
      if (!sequence.well_formed) return {at, "a string with ill-formed UTF-8 bytes"};
      at += sequence.num_bytes;
    }
  }
  return {at, "a string without its closing quote"};
}

bool belongs_to_number(char c) { return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E'; }

// The library's words without its tags.
std::string reason_of(const nlohmann::detail::exception& error) {
  std::string reason = error.what();
  if (const size_t last = reason.find("; last read"); last != std::string::npos) reason.resize(last);
  if (const size_t start = reason.find(": "); start != std::string::npos) reason.erase(0, start + 2);
  if (const size_t tag = reason.find("] "); reason[0] == '[' && tag != std::string::npos) reason.erase(0, tag + 2);
  return reason;
}

}  // namespace

JsonText::JsonText(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) refuse_at(nul + 1, "a NUL byte");
  if (text.size() > kLongToken) fault_ = find_long_fault(text);
}

std::optional<JsonText::Fault> JsonText::find_long_fault(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t token = at;
    if (text[at] == '"') {
      const StringEnd end = end_of_string(text, at + 1);
      if (end.fault && end.at - token < kLongToken) return std::nullopt;  // the library says it as well
      if (end.fault) return Fault{token, end.at + 1, end.fault};
      at = end.at;
    } else {
      while (at < text.size() && belongs_to_number(text[at])) ++at;
      if (at - token > kLongestNumber)
        return Fault{token, token + 1, "a number of " + std::to_string(at - token) + " characters"};
      at += at == token ? 1 : 0;
    }
  }
  return std::nullopt;
}

void JsonText::refuse(size_t byte, const nlohmann::detail::exception& error) const {
  if (fault_ && byte > fault_->token) refuse_at(fault_->byte, fault_->reason);
  refuse_at(byte, reason_of(error));
}

void JsonText::refuse_at(size_t byte, const std::string& reason) const {
  throw InputError({where_ + ":" + line_and_column(text_, byte), "valid JSON", reason,
                    "The file may be cut or not JSON: take it again from its source.", ""});
}

}  // namespace distill
