#include "post_process.h"

#include <algorithm>

#include "unicode.h"

namespace distill {
namespace {

constexpr char32_t kSpelledSpace = 0x120;  // the byte alphabet's character for a space

bool is_space(char32_t c) { return c == kSpelledSpace || is_white_space(c); }

// Moves `count` characters to the right, but not past `limit`.
uint32_t advance(std::string_view input, uint32_t at, uint32_t count, uint32_t limit) {
  for (; count > 0 && at < limit; --count) at += static_cast<uint32_t>(code_point_at(input, at).num_bytes);
  return std::min(at, limit);
}

// Moves `count` characters to the left, but not past `limit`; stays when the input has fewer before `at`.
uint32_t retreat(std::string_view input, uint32_t at, uint32_t count, uint32_t limit) {
  const uint32_t start = at;
  for (; count > 0; --count) {
    if (at == 0) return start;
    at -= static_cast<uint32_t>(code_point_before(input, at).num_bytes);
  }
  return std::max(at, limit);
}

void trim(std::string_view input, bool add_prefix_space, std::vector<TextToken>& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    TextToken& token = tokens[i];
    const bool first = i == 0 || token.begin == 0;
    // One leading space of the first token is the prefix space, which is not in the input.
    if (!(first && add_prefix_space && token.leading_spaces == 1))
      token.begin = advance(input, token.begin, token.leading_spaces, token.end);
    token.end = retreat(input, token.end, token.trailing_spaces, token.begin);
  }
}

void append(const std::vector<TextToken>& tokens, Encoding& out) {
  out.ids.reserve(out.ids.size() + tokens.size() + 2);
  out.offsets.reserve(out.offsets.size() + tokens.size() + 2);
  for (const TextToken& token : tokens) {
    out.ids.push_back(token.id);
    out.offsets.emplace_back(token.begin, token.end);
  }
}

}  // namespace

SpaceCounts count_spaces(std::string_view spelling) {
  SpaceCounts counts{0, 0};
  for (size_t at = 0; at < spelling.size(); ++counts.leading) {
    const CodePoint point = code_point_at(spelling, at);
    if (!is_space(point.value)) break;
    at += point.num_bytes;
  }
  for (size_t end = spelling.size(); end > 0; ++counts.trailing) {
    const CodePoint point = code_point_before(spelling, end);
    if (!is_space(point.value)) break;
    end -= point.num_bytes;
  }
  return counts;
}

bool PostProcessor::trims_offsets() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const auto& step) { return std::holds_alternative<TrimOffsets>(step); });
}

Encoding PostProcessor::apply(std::string_view input, std::vector<TextToken>& tokens, bool add_special_tokens) const {
  const WrapInTemplate* wrap = nullptr;
  for (const PostProcessorStep& step : steps_) {
    if (const auto* trimming = std::get_if<TrimOffsets>(&step)) trim(input, trimming->add_prefix_space, tokens);
    if (const auto* wrapping = std::get_if<WrapInTemplate>(&step)) wrap = wrapping;
  }
  Encoding out;
  if (!wrap) {
    append(tokens, out);
    return out;
  }
  for (const std::vector<int32_t>& ids : wrap->pieces) {
    if (ids.empty()) append(tokens, out);
    if (!add_special_tokens) continue;
    for (const int32_t id : ids) {
      out.ids.push_back(id);
      out.offsets.emplace_back(0, 0);
    }
  }
  return out;
}

}  // namespace distill
