// Normalizers: what happens to the text between non-normalized added tokens before it is split.
// Here: NFC, Prepend, Replace, and sequences of them.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "aligned_text.h"
#include "pattern.h"

namespace distill {

struct ComposeCanonically {};
struct PrependText {
  std::string text;
};
struct ReplaceText {
  Pattern pattern;
  std::string content;
};
using NormalizerStep = std::variant<ComposeCanonically, PrependText, ReplaceText>;

class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {}
  void apply(AlignedText& text, RegexScratch& scratch) const;

 private:
  std::vector<NormalizerStep> steps_;
};

// Puts `prefix` before non-empty text; it is aligned with the first character.
void prepend(AlignedText& text, std::string_view prefix);
// What is put in a match's place is aligned with the last character of the match.
void replace(AlignedText& text, const Pattern& pattern, std::string_view content, RegexScratch& scratch);

}  // namespace distill
