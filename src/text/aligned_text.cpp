#include "aligned_text.h"

#include "unicode.h"

namespace distill {

SourceSpan AlignedText::source(size_t begin, size_t end) const {
  if (!spans.empty()) return {spans[begin].begin, spans[end - 1].end};
  while (begin > 0 && is_continuation_byte(text[begin])) --begin;
  while (end < text.size() && is_continuation_byte(text[end])) ++end;
  return {origin + static_cast<uint32_t>(begin), origin + static_cast<uint32_t>(end)};
}

void AlignedText::make_explicit() {
  if (!spans.empty()) return;
  spans.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t num_bytes = code_point_at(text, at).num_bytes;
    const uint32_t begin = origin + static_cast<uint32_t>(at);
    spans.insert(spans.end(), num_bytes, {begin, begin + static_cast<uint32_t>(num_bytes)});
    at += num_bytes;
  }
}

void Rewriter::copy(size_t begin, size_t end) {
  to_.text.append(from_.text, begin, end - begin);
  to_.spans.insert(to_.spans.end(), from_.spans.begin() + static_cast<ptrdiff_t>(begin),
                   from_.spans.begin() + static_cast<ptrdiff_t>(end));
}

void Rewriter::add(std::string_view text, SourceSpan source) {
  to_.text.append(text);
  to_.spans.insert(to_.spans.end(), text.size(), source);
}

}  // namespace distill
