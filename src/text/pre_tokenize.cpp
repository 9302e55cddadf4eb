#include "pre_tokenize.h"

#include <algorithm>
#include <utility>

#include "byte_level.h"
#include "frozen_scripts.h"
#include "normalize.h"
#include "unicode.h"

namespace distill {
namespace {

constexpr const char* kGpt2Words = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

void push(std::vector<Piece>& pieces, const Piece& whole, size_t begin, size_t end) {
  if (begin < end)
    pieces.push_back({whole.owner, whole.begin + static_cast<uint32_t>(begin), whole.begin + static_cast<uint32_t>(end)});
}

// A copy of the piece that may be rewritten; it lives as long as the scratch.
AlignedText& own_copy(const Piece& piece, PieceScratch& scratch) {
  AlignedText& copy = scratch.texts.emplace_back();
  copy.text = piece.text();
  const AlignedText& from = *piece.owner;
  copy.origin = from.origin + piece.begin;
  if (!from.spans.empty()) copy.spans.assign(from.spans.begin() + piece.begin, from.spans.begin() + piece.end);
  return copy;
}

Piece whole(const AlignedText& text) { return {&text, 0, static_cast<uint32_t>(text.text.size())}; }

void push_ranges(const Piece& piece, SplitBehavior behavior, PieceScratch& scratch) {
  join_stretches(scratch.stretches, behavior, scratch.ranges);
  for (const TextRange& range : scratch.ranges) push(scratch.next_pieces, piece, range.begin, range.end);
}

void find_members(bool (*contains)(char32_t c), std::string_view text, std::vector<Stretch>& out) {
  out.clear();
  size_t covered = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    if (contains(point.value)) {
      if (covered < at) out.push_back({covered, at, false});
      covered = at + point.num_bytes;
      out.push_back({at, covered, true});
    }
    at += point.num_bytes;
  }
  if (covered < text.size()) out.push_back({covered, text.size(), false});
}

// All pieces, spelled in the byte alphabet, in one new text.
void spell_pieces(PieceScratch& scratch) {
  AlignedText& spelled = scratch.texts.emplace_back();
  for (Piece& piece : scratch.pieces) {
    const auto begin = static_cast<uint32_t>(spelled.text.size());
    for (uint32_t at = piece.begin; at < piece.end; ++at) {
      const std::string_view character = spell_byte(static_cast<uint8_t>(piece.owner->text[at]));
      spelled.text += character;
      spelled.spans.insert(spelled.spans.end(), character.size(), piece.owner->source(at, at + 1));
    }
    piece = {&spelled, begin, static_cast<uint32_t>(spelled.text.size())};
  }
}

}  // namespace

PreTokenizer::PreTokenizer() : PreTokenizer(std::vector<PreTokenizerStep>()) {}

PreTokenizer::PreTokenizer(std::vector<PreTokenizerStep> steps)
    : steps_(std::move(steps)), gpt2_words_(kGpt2Words, "the pattern of ByteLevel") {}

bool PreTokenizer::ends_in_byte_level() const {
  const auto num_mappings =
      std::count_if(steps_.begin(), steps_.end(), [](const auto& step) { return std::holds_alternative<ByteLevelStep>(step); });
  return num_mappings == 1 && std::holds_alternative<ByteLevelStep>(steps_.back());
}

void PreTokenizer::apply(PieceScratch& scratch) const {
  for (const PreTokenizerStep& step : steps_) {
    scratch.next_pieces.clear();
    std::visit([&](const auto& one) { apply(one, scratch); }, step);
  }
}

void PreTokenizer::apply(const SplitStep& step, PieceScratch& scratch) const {
  for (const Piece& piece : scratch.pieces) {
    find_stretches(step.pattern, piece.text(), scratch.regex, scratch.stretches);
    if (step.invert)
      for (Stretch& stretch : scratch.stretches) stretch.is_match = !stretch.is_match;
    push_ranges(piece, step.behavior, scratch);
  }
  scratch.pieces.swap(scratch.next_pieces);
}

void PreTokenizer::apply(const ByteLevelStep& step, PieceScratch& scratch) const {
  for (Piece piece : scratch.pieces) {
    if (step.add_prefix_space && !piece.text().starts_with(' ')) {
      AlignedText& copy = own_copy(piece, scratch);
      prepend(copy, " ");
      piece = whole(copy);
    }
    if (!step.use_regex) {
      scratch.next_pieces.push_back(piece);
      continue;
    }
    find_stretches(gpt2_words_, piece.text(), scratch.regex, scratch.stretches);
    push_ranges(piece, SplitBehavior::isolated, scratch);
  }
  scratch.pieces.swap(scratch.next_pieces);
  if (!raw_bytes_) spell_pieces(scratch);
}

void PreTokenizer::apply(const ClassStep& step, PieceScratch& scratch) const {
  for (const Piece& piece : scratch.pieces) {
    find_members(step.contains, piece.text(), scratch.stretches);
    push_ranges(piece, step.behavior, scratch);
  }
  scratch.pieces.swap(scratch.next_pieces);
}

void PreTokenizer::apply(const MetaspaceStep& step, PieceScratch& scratch) const {
  static const Pattern space = std::string(" ");
  const Pattern replacement = step.replacement;
  for (const Piece& piece : scratch.pieces) {
    const bool at_start = piece.source().begin == 0;
    AlignedText& copy = own_copy(piece, scratch);
    replace(copy, space, step.replacement, scratch.regex);
    const bool wanted = step.prepend == PrependScheme::always || (step.prepend == PrependScheme::first && at_start);
    if (wanted && !copy.text.starts_with(step.replacement)) prepend(copy, step.replacement);
    if (step.split) {
      find_stretches(replacement, copy.text, scratch.regex, scratch.stretches);
      push_ranges(whole(copy), SplitBehavior::merged_with_next, scratch);
    } else {
      scratch.next_pieces.push_back(whole(copy));
    }
  }
  scratch.pieces.swap(scratch.next_pieces);
}

void PreTokenizer::apply(const ScriptsStep&, PieceScratch& scratch) const {
  for (const Piece& piece : scratch.pieces) {
    const std::string_view text = piece.text();
    Script last = Script::any;
    size_t begin = 0;
    for (size_t at = 0; at < text.size();) {
      const CodePoint point = code_point_at(text, at);
      const Script script = script_of(point.value);
      if (script != Script::any && script != last) {
        if (last != Script::any) push(scratch.next_pieces, piece, begin, at);
        begin = at;
        last = script;
      }
      at += point.num_bytes;
    }
    if (last != Script::any) push(scratch.next_pieces, piece, begin, text.size());
  }
  scratch.pieces.swap(scratch.next_pieces);
}

void PreTokenizer::apply(const FixedLengthStep& step, PieceScratch& scratch) const {
  for (const Piece& piece : scratch.pieces) {
    const std::string_view text = piece.text();
    size_t begin = 0, count = 0;
    for (size_t at = 0; at < text.size();) {
      at += code_point_at(text, at).num_bytes;
      if (++count < step.length) continue;
      push(scratch.next_pieces, piece, begin, at);
      begin = at;
      count = 0;
    }
    push(scratch.next_pieces, piece, begin, text.size());
  }
  scratch.pieces.swap(scratch.next_pieces);
}

}  // namespace distill
