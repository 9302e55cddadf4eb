// A stretch of text that still knows which bytes of the input each of its bytes came from.
// Who rewrites text (normalizers, prefix spaces, byte mapping) goes through Rewriter, so that offsets survive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace distill {

// Bytes [begin, end) of the input; always whole characters.
struct SourceSpan {
  uint32_t begin;
  uint32_t end;
};

struct AlignedText {
  std::string text;
  std::vector<SourceSpan> spans;  // one for each byte of `text`; empty: byte i is byte origin + i of the input
  uint32_t origin = 0;
  size_t max_bytes = SIZE_MAX;  // of `text`: rewriting it to more is refused, as steps of a hostile file feed each other

  // What the non-empty range [begin, end) of `text` came from.
  SourceSpan source(size_t begin, size_t end) const;
  // Fills `spans`.
  void make_explicit();
  // InputError when `num_bytes` of text are above max_bytes.
  void expect_room(size_t num_bytes) const;
};

// A range of an AlignedText that outlives it.
struct Piece {
  const AlignedText* owner;
  uint32_t begin;
  uint32_t end;

  std::string_view text() const { return std::string_view(owner->text).substr(begin, end - begin); }
  SourceSpan source() const { return owner->source(begin, end); }
};

// Builds a rewritten copy of `from`, whose spans must be explicit.
class Rewriter {
 public:
  explicit Rewriter(const AlignedText& from) : from_(from) {
    to_.max_bytes = from.max_bytes;
    to_.text.reserve(from.text.size());
    to_.spans.reserve(from.text.size());
  }
  void copy(size_t begin, size_t end);
  void add(std::string_view text, SourceSpan source);
  size_t size() const { return to_.text.size(); }
  AlignedText take() { return std::move(to_); }

 private:
  const AlignedText& from_;
  AlignedText to_;
};

}  // namespace distill
