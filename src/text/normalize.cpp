#include "normalize.h"

#include "nfc.h"

namespace distill {
namespace {

// An empty match stands for no character; what comes before it gives the alignment.
SourceSpan alignment_of_match(const AlignedText& text, const Stretch& match) {
  if (match.end > 0) return text.spans[match.end - 1];
  return {text.spans.front().begin, text.spans.front().begin};
}

}  // namespace

void prepend(AlignedText& text, std::string_view prefix) {
  if (text.text.empty() || prefix.empty()) return;
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
  for (const NormalizerStep& step : steps_) {
    if (std::holds_alternative<ComposeCanonically>(step)) compose_canonically(text);
    if (const auto* prefix = std::get_if<PrependText>(&step)) prepend(text, prefix->text);
    if (const auto* rule = std::get_if<ReplaceText>(&step)) replace(text, rule->pattern, rule->content, scratch);
  }
}

}  // namespace distill
