#include "added_tokens.h"

#include <algorithm>

#include "unicode.h"

namespace distill {
namespace {

size_t before_white_space(std::string_view text, size_t end) {
  while (end > 0) {
    const CodePoint point = code_point_before(text, end);
    if (!is_white_space(point.value)) break;
    end -= point.num_bytes;
  }
  return end;
}

size_t after_white_space(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    const CodePoint point = code_point_at(text, begin);
    if (!is_white_space(point.value)) break;
    begin += point.num_bytes;
  }
  return begin;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher() : word_("\\A[" + kRustWord + "]", "the word class of added tokens") { roots_.fill(-1); }

int32_t AddedTokenMatcher::child(int32_t first, uint8_t byte) const {
  while (first >= 0 && nodes_[static_cast<size_t>(first)].byte != byte) first = nodes_[static_cast<size_t>(first)].next_sibling;
  return first;
}

void AddedTokenMatcher::add(const std::string& spelling, const AddedToken& token) {
  if (spelling.empty()) return;
  int32_t node = -1;
  for (const char c : spelling) {
    const auto byte = static_cast<uint8_t>(c);
    const int32_t first = node < 0 ? roots_[byte] : nodes_[static_cast<size_t>(node)].first_child;
    int32_t next = child(first, byte);
    if (next < 0) {
      next = static_cast<int32_t>(nodes_.size());
      nodes_.push_back({byte, first, -1, nullptr});
      (node < 0 ? roots_[byte] : nodes_[static_cast<size_t>(node)].first_child) = next;
    }
    node = next;
  }
  Node& last = nodes_[static_cast<size_t>(node)];
  if (!last.token) last.token = &token;
}

std::optional<AddedTokenMatcher::Match> AddedTokenMatcher::longest_at(std::string_view text, size_t at) const {
  std::optional<Match> longest;
  int32_t node = roots_[static_cast<uint8_t>(text[at])];
  while (node >= 0) {
    ++at;
    const Node& here = nodes_[static_cast<size_t>(node)];
    if (here.token) longest = Match{here.token, at};
    if (at == text.size()) break;
    node = child(here.first_child, static_cast<uint8_t>(text[at]));
  }
  return longest;
}

bool AddedTokenMatcher::is_word(char32_t c, RegexScratch& scratch) const {
  std::string utf8;
  append_code_point(utf8, c);
  return word_.find(utf8, 0, scratch).has_value();
}

bool AddedTokenMatcher::stands_alone(std::string_view text, size_t begin, size_t end, RegexScratch& scratch) const {
  if (begin > 0 && is_word(code_point_before(text, begin).value, scratch)) return false;
  return end == text.size() || !is_word(code_point_at(text, end).value, scratch);
}

// White space that one token has taken may be looked at again by the next, and `covered` may go back: both as in the
// reference library, whose matcher runs over the text independently of what the tokens swallow.
void AddedTokenMatcher::find(std::string_view text, RegexScratch& scratch, std::vector<Section>& out) const {
  out.clear();
  size_t covered = 0;
  for (size_t at = 0; !nodes_.empty() && at < text.size();) {
    const std::optional<Match> match = longest_at(text, at);
    if (!match) {
      ++at;
      continue;
    }
    const AddedToken& token = *match->token;
    size_t begin = at, end = match->end;
    at = end;
    if (token.single_word && !stands_alone(text, begin, end, scratch)) continue;
    if (token.lstrip) begin = std::max(before_white_space(text, begin), covered);
    if (token.rstrip) end = after_white_space(text, end);
    if (covered < begin) out.push_back({covered, begin, nullptr});
    if (begin < end) out.push_back({begin, end, &token});
    covered = end;
  }
  if (covered != text.size()) out.push_back({covered, text.size(), nullptr});
}

}  // namespace distill
