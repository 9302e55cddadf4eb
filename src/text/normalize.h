// Normalizers: what happens to the text between non-normalized added tokens before it is split.
// Here: NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Strip, StripAccents, Nmt, ByteLevel, Precompiled, BertNormalizer (as
// the steps that it consists of), and sequences of them.
#pragma once

#include <array>
#include <string>
#include <variant>
#include <vector>

#include "aligned_text.h"
#include "charsmap.h"
#include "normal_forms.h"
#include "pattern.h"

namespace distill {

struct PrependText {
  std::string text;
};
struct ReplaceText {
  Pattern pattern;
  std::string content;
};
// Appends what stands for a character: nothing, itself, or others. All are aligned with it.
using RewriteCharacter = void (*)(std::string& out, char32_t c);
// A rewriting that knows which ASCII characters it keeps, so that it need not be asked about most of a text.
class CharacterRewriting {
 public:
  CharacterRewriting(RewriteCharacter rewrite);
  bool keeps(char32_t c) const { return c < kept_.size() && kept_[c]; }
  void append(std::string& out, char32_t c) const { rewrite_(out, c); }

 private:
  RewriteCharacter rewrite_;
  std::array<bool, 128> kept_;
};
struct StripText {
  bool left;
  bool right;
};
using NormalizerStep = std::variant<NormalForm, PrependText, ReplaceText, CharacterRewriting, StripText, Charsmap>;

// The rewritings; lower case is append_lowercase() of unicode.h.
void clean_character(std::string& out, char32_t c);       // control characters go, white space becomes a space
void set_apart_if_chinese(std::string& out, char32_t c);  // spaces on both sides of a CJK ideograph
void drop_nonspacing_mark(std::string& out, char32_t c);
void drop_combining_mark(std::string& out, char32_t c);
void clean_as_nmt(std::string& out, char32_t c);    // other control characters go, other white space becomes a space
void spell_in_bytes(std::string& out, char32_t c);  // in the byte alphabet

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
void rewrite_characters(AlignedText& text, const CharacterRewriting& rewriting);
// Takes white space off the ends.
void strip(AlignedText& text, StripText ends);

}  // namespace distill
