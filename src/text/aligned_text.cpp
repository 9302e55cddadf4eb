#include "aligned_text.h"

#include "distill/core/error.h"

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

void AlignedText::expect_room(size_t num_bytes) const {
  if (num_bytes <= max_bytes) return;
  throw InputError({"text to tokenize", "a normalizer that makes at most " + std::to_string(max_bytes) + " bytes of it", "more",
                    "Take tokenizer.json again from its source.", ""});
}

void Rewriter::copy(size_t begin, size_t end) {
  to_.text.append(from_.text, begin, end - begin);
  to_.spans.insert(to_.spans.end(), from_.spans.begin() + static_cast<ptrdiff_t>(begin),
                   from_.spans.begin() + static_cast<ptrdiff_t>(end));
}

void Rewriter::add(std::string_view text, SourceSpan source) {
  from_.expect_room(to_.text.size() + text.size());
  to_.text.append(text);
  to_.spans.insert(to_.spans.end(), text.size(), source);
}

}  // namespace distill
