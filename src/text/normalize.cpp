#include "normalize.h"

#include <optional>

#include "byte_level.h"
#include "frozen_classes.h"
#include "unicode.h"

namespace distill {
namespace {

// The compatibility forms make up to 11 bytes of one, and a prefix comes on top.
constexpr size_t kMaxGrowth = 64, kAlwaysAllowed = size_t{1} << 20;

// An empty match stands for no character; what comes before it gives the alignment.
SourceSpan alignment_of_match(const AlignedText& text, const Stretch& match) {
  if (match.end > 0) return text.spans[match.end - 1];
  return {text.spans.front().begin, text.spans.front().begin};
}

// The blocks that BERT calls Chinese: CJK ideographs, without kana and hangul.
bool is_chinese(char32_t c) {
  if (c < 0x3400) return false;
  return (c >= 0x4E00 && c <= 0x9FFF) || c <= 0x4DBF || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

void apply_step(NormalForm form, AlignedText& text, RegexScratch&) { apply_normal_form(text, form); }
void apply_step(const PrependText& step, AlignedText& text, RegexScratch&) { prepend(text, step.text); }
void apply_step(const ReplaceText& step, AlignedText& text, RegexScratch& scratch) {
  replace(text, step.pattern, step.content, scratch);
}
void apply_step(const CharacterRewriting& step, AlignedText& text, RegexScratch&) { rewrite_characters(text, step); }
void apply_step(StripText ends, AlignedText& text, RegexScratch&) { strip(text, ends); }
void apply_step(const Charsmap& map, AlignedText& text, RegexScratch&) { map.apply(text); }

}  // namespace

void clean_character(std::string& out, char32_t c) {
  if (is_bert_control(c)) return;
  append_code_point(out, is_white_space(c) ? U' ' : c);
}

void set_apart_if_chinese(std::string& out, char32_t c) {
  const bool chinese = is_chinese(c);
  if (chinese) out.push_back(' ');
  append_code_point(out, c);
  if (chinese) out.push_back(' ');
}

void drop_nonspacing_mark(std::string& out, char32_t c) {
  if (!is_nonspacing_mark(c)) append_code_point(out, c);
}

void drop_combining_mark(std::string& out, char32_t c) {
  if (!is_combining_mark(c)) append_code_point(out, c);
}

void clean_as_nmt(std::string& out, char32_t c) {
  const bool control = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
  const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                     c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
  if (!control) append_code_point(out, space ? U' ' : c);
}

void spell_in_bytes(std::string& out, char32_t c) {
  std::string utf8;
  append_code_point(utf8, c);
  for (const char byte : utf8) out += spell_byte(static_cast<uint8_t>(byte));
}

CharacterRewriting::CharacterRewriting(RewriteCharacter rewrite) : rewrite_(rewrite) {
  for (char32_t c = 0; c < kept_.size(); ++c) {
    std::string rewritten;
    rewrite(rewritten, c);
    kept_[c] = rewritten == std::string(1, static_cast<char>(c));
  }
}

void rewrite_characters(AlignedText& text, const CharacterRewriting& rewriting) {
  std::optional<Rewriter> out;
  std::string rewritten;
  size_t copied = 0;
  for (size_t at = 0; at < text.text.size();) {
    const CodePoint point = code_point_at(text.text, at);
    const size_t end = at + point.num_bytes;
    if (rewriting.keeps(point.value)) {
      at = end;
      continue;
    }
    rewritten.clear();
    rewriting.append(rewritten, point.value);
    if (text.text.compare(at, point.num_bytes, rewritten) != 0) {
      text.make_explicit();
      if (!out) out.emplace(text);
      out->copy(copied, at);
      out->add(rewritten, text.spans[at]);
      copied = end;
    }
    at = end;
  }
  if (!out) return;
  out->copy(copied, text.text.size());
  text = out->take();
}

void strip(AlignedText& text, StripText ends) {
  size_t begin = 0, end = text.text.size();
  while (ends.left && begin < end && is_white_space(code_point_at(text.text, begin).value))
    begin += code_point_at(text.text, begin).num_bytes;
  while (ends.right && end > begin && is_white_space(code_point_before(text.text, end).value))
    end -= code_point_before(text.text, end).num_bytes;
  if (begin == 0 && end == text.text.size()) return;
  text.make_explicit();
  Rewriter out(text);
  out.copy(begin, end);
  text = out.take();
}

void prepend(AlignedText& text, std::string_view prefix) {
  if (text.text.empty() || prefix.empty()) return;
  text.expect_room(text.text.size() + prefix.size());
  text.make_explicit();
  const SourceSpan first = text.spans.front();
  text.text.insert(0, prefix);
  text.spans.insert(text.spans.begin(), prefix.size(), first);
}

void replace(AlignedText& text, const Pattern& pattern, std::string_view content, RegexScratch& scratch) {
  if (text.text.empty()) return;
  std::vector<Stretch> stretches;
  find_stretches(pattern, text.text, scratch, stretches);
  if (stretches.size() == 1 && !stretches.front().is_match) return;
  text.make_explicit();
  Rewriter out(text);
  for (const Stretch& stretch : stretches) {
    if (stretch.is_match)
      out.add(content, alignment_of_match(text, stretch));
    else
      out.copy(stretch.begin, stretch.end);
  }
  text = out.take();
}

void Normalizer::apply(AlignedText& text, RegexScratch& scratch) const {
  text.max_bytes = kAlwaysAllowed + kMaxGrowth * text.text.size();
  for (const NormalizerStep& step : steps_) std::visit([&](const auto& one) { apply_step(one, text, scratch); }, step);
}

}  // namespace distill
