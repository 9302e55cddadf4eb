// Pre-tokenizers: how a normalized text is cut into the pieces that the model sees one at a time.
// Here: ByteLevel, Split, CharDelimiterSplit, Digits, Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer, Metaspace,
// UnicodeScripts, FixedLength, and sequences of them.
#pragma once

#include <deque>
#include <string>
#include <variant>
#include <vector>

#include "aligned_text.h"
#include "pattern.h"

namespace distill {

struct SplitStep {
  Pattern pattern;
  SplitBehavior behavior;
  bool invert;
};
struct ByteLevelStep {
  bool add_prefix_space;
  bool use_regex;
};
// Splits at every character of a class.
struct ClassStep {
  bool (*contains)(char32_t c);
  SplitBehavior behavior;
};
enum class PrependScheme { first, never, always };
struct MetaspaceStep {
  std::string replacement;  // one character
  PrependScheme prepend;
  bool split;
};
// Splits where the script changes; spaces belong to what is before them, and those at the start are lost.
struct ScriptsStep {};
struct FixedLengthStep {
  size_t length;  // characters
};
using PreTokenizerStep = std::variant<SplitStep, ByteLevelStep, ClassStep, MetaspaceStep, ScriptsStep, FixedLengthStep>;

// What the pieces of one text need to live: rewritten texts, and buffers that are used again.
struct PieceScratch {
  std::deque<AlignedText> texts;
  RegexScratch regex;
  std::vector<Piece> pieces;
  std::vector<Piece> next_pieces;
  std::vector<Stretch> stretches;
  std::vector<TextRange> ranges;
};

class PreTokenizer {
 public:
  PreTokenizer();
  explicit PreTokenizer(std::vector<PreTokenizerStep> steps);

  // True when the last step is the only byte mapping. Then leave_bytes_raw() makes it leave the bytes as they are, which
  // saves the model from reading two characters for most of them.
  bool ends_in_byte_level() const;
  void leave_bytes_raw() { raw_bytes_ = true; }

  // Replaces scratch.pieces by the non-empty pieces that they are cut into.
  void apply(PieceScratch& scratch) const;

 private:
  void apply(const SplitStep& step, PieceScratch& scratch) const;
  void apply(const ByteLevelStep& step, PieceScratch& scratch) const;
  void apply(const ClassStep& step, PieceScratch& scratch) const;
  void apply(const MetaspaceStep& step, PieceScratch& scratch) const;
  void apply(const ScriptsStep& step, PieceScratch& scratch) const;
  void apply(const FixedLengthStep& step, PieceScratch& scratch) const;

  std::vector<PreTokenizerStep> steps_;
  Regex gpt2_words_;
  bool raw_bytes_ = false;
};

}  // namespace distill
