#include "decode.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include "distill/core/error.h"

#include "byte_level.h"
#include "unicode.h"

namespace distill {
namespace {

using Tokens = std::vector<std::string>;

constexpr size_t kMaxGrowth = 64, kAlwaysAllowed = size_t{1} << 20;

size_t num_bytes(const Tokens& tokens) {
  return std::accumulate(tokens.begin(), tokens.end(), size_t{0},
                         [](size_t sum, const auto& token) { return sum + token.size(); });
}

// Steps of a hostile file feed each other.
void expect_room(const Tokens& tokens, size_t max_bytes) {
  if (num_bytes(tokens) <= max_bytes) return;
  throw InputError({"ids to decode", "a decoder that makes at most " + std::to_string(max_bytes) + " bytes of them", "more",
                    "Take tokenizer.json again from its source.", ""});
}

std::string join(const Tokens& tokens) {
  std::string out;
  for (const std::string& token : tokens) out += token;
  return out;
}

// A token with a character outside the alphabet (an added token) stands for itself.
void decode(const DecodeByteLevel&, Tokens& tokens, RegexScratch&) {
  std::string bytes;
  for (const std::string& token : tokens) bytes += spelled_bytes(token).value_or(token);
  tokens = {replace_invalid_utf8(bytes)};
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

// The byte of "<0x41>".
std::optional<char> fallback_byte(const std::string& token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  const auto high = token[3] == '+' ? std::optional<unsigned>(0) : hex_digit(token[3]);  // Rust reads "+5" as a number
  const auto low = hex_digit(token[4]);
  if (!high || !low) return std::nullopt;
  return static_cast<char>(*high * 16 + *low);
}

// A run of bytes that is not UTF-8 becomes one U+FFFD for each byte.
void append_bytes(std::string& bytes, Tokens& out) {
  if (bytes.empty()) return;
  if (find_invalid_utf8(bytes))
    out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
  else
    out.push_back(bytes);
  bytes.clear();
}

void decode(const DecodeByteFallback&, Tokens& tokens, RegexScratch&) {
  Tokens out;
  std::string bytes;
  for (std::string& token : tokens) {
    if (const auto byte = fallback_byte(token)) {
      bytes.push_back(*byte);
      continue;
    }
    append_bytes(bytes, out);
    out.push_back(std::move(token));
  }
  append_bytes(bytes, out);
  tokens = std::move(out);
}

void decode(const FuseTokens&, Tokens& tokens, RegexScratch&) { tokens = {join(tokens)}; }

void decode(const StripTokens& step, Tokens& tokens, RegexScratch&) {
  for (std::string& token : tokens) {
    size_t begin = 0, end = token.size();
    for (size_t i = 0; i < step.start && begin < end && code_point_at(token, begin).value == step.content; ++i)
      begin += code_point_at(token, begin).num_bytes;
    for (size_t i = 0; i < step.stop && end > begin && code_point_before(token, end).value == step.content; ++i)
      end -= code_point_before(token, end).num_bytes;
    token = token.substr(begin, end - begin);
  }
}

void decode(const ReplaceInTokens& step, Tokens& tokens, RegexScratch& scratch) {
  std::vector<Stretch> stretches;
  for (std::string& token : tokens) {
    find_stretches(step.pattern, token, scratch, stretches);
    std::string out;
    for (const Stretch& stretch : stretches)
      out += stretch.is_match ? step.content : token.substr(stretch.begin, stretch.end - stretch.begin);
    token = std::move(out);
  }
}

void decode(const DecodeMetaspace& step, Tokens& tokens, RegexScratch&) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string out;
    for (size_t at = 0; at < tokens[i].size();) {
      const CodePoint point = code_point_at(tokens[i], at);
      if (point.value != step.replacement)
        out.append(tokens[i], at, point.num_bytes);
      else if (i > 0 || !step.drop_in_first)
        out.push_back(' ');
      at += point.num_bytes;
    }
    tokens[i] = std::move(out);
  }
}

// Nothing is found before every character and at the end.
std::string put_between_characters(std::string_view text, std::string_view content) {
  std::string out(content);
  for (size_t at = 0; at < text.size();) {
    const size_t num_bytes = code_point_at(text, at).num_bytes;
    out.append(text.substr(at, num_bytes)).append(content);
    at += num_bytes;
  }
  return out;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) return void(text = put_between_characters(text, to));
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// The reference library's list, in its order. "do not" is its own idea, too.
void clean_up(std::string& token) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kReplacements) replace_all(token, from, to);
}

void decode(const DecodeWordPiece& step, Tokens& tokens, RegexScratch&) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string& token = tokens[i];
    if (i > 0 && token.starts_with(step.prefix))
      token.erase(0, step.prefix.size());
    else if (i > 0)
      token.insert(token.begin(), ' ');
    if (step.cleanup) clean_up(token);
  }
}

void decode(const DecodeSuffix& step, Tokens& tokens, RegexScratch&) {
  for (std::string& token : tokens) replace_all(token, step.suffix, &token == &tokens.back() ? "" : " ");
}

void decode(const DecodeCtc& step, Tokens& tokens, RegexScratch&) {
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  for (std::string& token : tokens) {
    replace_all(token, step.pad_token, "");
    if (!step.cleanup) continue;
    clean_up(token);
    replace_all(token, step.word_delimiter_token, " ");
  }
  std::erase(tokens, "");
}

}  // namespace

std::string Decoder::apply(std::vector<std::string> tokens, RegexScratch& scratch) const {
  const size_t max_bytes = kAlwaysAllowed + kMaxGrowth * num_bytes(tokens);
  for (const DecoderStep& step : steps_) {
    std::visit([&](const auto& one) { decode(one, tokens, scratch); }, step);
    expect_room(tokens, max_bytes);
  }
  return join(tokens);
}

}  // namespace distill
