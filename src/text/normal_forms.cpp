// The composition algorithm itself is utf8proc's for one pair and ours for a run, because offsets need to know which input
// character every output character replaces: a composed character is aligned with its starter alone, as in the reference.
#include "normal_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "unicode.h"

namespace distill {
namespace {

struct Range {
  char32_t first, last;
};

// Characters with a combining class or a decomposition that came after Unicode 9. Up to Unicode 15 this is the
// difference between utf8proc's tables and those of Unicode 9; the rest are the additions of 16 and 17.
constexpr Range kNewerThanUnicode9[] = {
    {0x07FD, 0x07FD},   {0x0897, 0x089F},   {0x08CA, 0x08D3},   {0x09FE, 0x09FE},   {0x0C3C, 0x0C3C},   {0x0D3B, 0x0D3C},
    {0x0EBA, 0x0EBA},   {0x1715, 0x1715},   {0x1ABF, 0x1AEB},   {0x1DF6, 0x1DFA},   {0x32FF, 0x32FF},   {0xA7F1, 0xA7F4},
    {0xA82C, 0xA82C},   {0xAB69, 0xAB69},   {0x105C9, 0x105C9}, {0x105E4, 0x105E4}, {0x10781, 0x107BA}, {0x10D24, 0x10D27},
    {0x10D69, 0x10D6D}, {0x10EAB, 0x10EAC}, {0x10EFA, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070},
    {0x1133B, 0x1133B}, {0x11380, 0x113E2}, {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11938, 0x11938}, {0x1193D, 0x1193E},
    {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42},
    {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16121, 0x1612F}, {0x16D63, 0x16D6A}, {0x16FF0, 0x16FF1},
    {0x1CCD6, 0x1CCF9}, {0x1E030, 0x1E06D}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
    {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}, {0x1E6E3, 0x1E6F5}, {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9}};

bool newer_than_unicode_9(char32_t c) {
  const auto* range = std::lower_bound(std::begin(kNewerThanUnicode9), std::end(kNewerThanUnicode9), c,
                                       [](const Range& r, char32_t value) { return r.last < value; });
  return range != std::end(kNewerThanUnicode9) && range->first <= c;
}

constexpr char32_t kFirstInteresting = 0x300;  // everything below composes with nothing before it and is its own NFC

struct Rules {
  bool compose;
  bool compatibility;
  char32_t first_changing;  // every character below is its own form, unless one from U+0300 upwards follows
};

Rules rules_of(NormalForm form) {
  switch (form) {
    case NormalForm::nfc:
      return {true, false, kFirstInteresting};
    case NormalForm::nfd:
      return {false, false, 0xC0};
    case NormalForm::nfkc:
      return {true, true, 0xA0};
    case NormalForm::nfkd:
      break;
  }
  return {false, true, 0xA0};
}

int combining_class(char32_t c) {
  if (c < kFirstInteresting || newer_than_unicode_9(c)) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

// False only for characters that start a run of their own: nothing before them can compose with or move past them.
bool continues_run(char32_t c) {
  if (c < kFirstInteresting) return false;
  if (c >= 0x1160 && c <= 0x11FF) return true;  // Hangul vowels and final consonants
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
}

// At most 18 code points (U+FDFA); the character itself when it has no decomposition.
struct Decomposition {
  std::array<utf8proc_int32_t, 18> points;
  size_t count;
};

Decomposition decompose(char32_t c, bool compatibility) {
  Decomposition out{{static_cast<utf8proc_int32_t>(c)}, 1};
  if (c < 0xA0 || newer_than_unicode_9(c)) return out;
  int boundary = 0;
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      out.points[0], out.points.data(), static_cast<utf8proc_ssize_t>(out.points.size()),
      static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0)), &boundary);
  out.count = static_cast<size_t>(std::clamp<utf8proc_ssize_t>(count, 1, static_cast<utf8proc_ssize_t>(out.points.size())));
  return out;
}

std::optional<char32_t> compose_pair(char32_t first, char32_t second) {
  if (newer_than_unicode_9(first) || newer_than_unicode_9(second)) return std::nullopt;
  std::array<utf8proc_int32_t, 3> pair = {static_cast<utf8proc_int32_t>(first), static_cast<utf8proc_int32_t>(second), 0};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  if (utf8proc_normalize_utf32(pair.data(), 2, options) != 1) return std::nullopt;
  const auto composed = static_cast<char32_t>(pair[0]);
  return newer_than_unicode_9(composed) ? std::nullopt : std::optional<char32_t>(composed);
}

// `change`: 1 = added after the previous one, 0 = replaces one input character, -n = replaces it and removes n more.
struct Change {
  char32_t value;
  int change;
  int combining_class;
};

// False when `continuing` and the character starts a run of its own; then nothing is appended.
bool append_decomposed(char32_t c, bool compatibility, bool continuing, std::vector<Change>& run) {
  const Decomposition parts = decompose(c, compatibility);
  if (continuing && !continues_run(c) && !continues_run(static_cast<char32_t>(parts.points[0]))) return false;
  for (size_t i = 0; i < parts.count; ++i) {
    const auto part = static_cast<char32_t>(parts.points[i]);
    run.push_back({part, i == 0 ? 0 : 1, combining_class(part)});
  }
  return true;
}

// Marks between two starters are ordered by class.
void sort_marks(std::vector<Change>& run) {
  for (auto begin = run.begin(); begin != run.end();) {
    const auto end = std::find_if(begin, run.end(), [](const Change& c) { return c.combining_class == 0; });
    std::stable_sort(begin, end, [](const Change& a, const Change& b) { return a.combining_class < b.combining_class; });
    begin = end == run.end() ? end : std::next(end);
  }
}

void compose_run(std::vector<Change>& run) {
  std::vector<Change> out;
  std::optional<size_t> starter;
  int last_class = -1;  // of the characters kept since the starter
  for (const Change& next : run) {
    if (starter && last_class < next.combining_class) {
      if (const auto composed = compose_pair(out[*starter].value, next.value)) {
        out[*starter].value = *composed;
        out[*starter].change += next.change - 1;
        continue;
      }
    }
    if (next.combining_class == 0) {
      starter = out.size();
      last_class = -1;
    } else {
      last_class = next.combining_class;
    }
    out.push_back(next);
  }
  run = std::move(out);
}

// Replaces the input run [begin, end) by `run`, consuming input characters as the changes say.
void write_run(const AlignedText& text, size_t begin, const std::vector<Change>& run, Rewriter& out) {
  size_t at = begin;
  std::string utf8;
  for (const Change& change : run) {
    utf8.clear();
    append_code_point(utf8, change.value);
    const size_t aligned_with = change.change > 0 && at > 0 ? at - 1 : std::min(at, text.text.size() - 1);
    out.add(utf8, text.spans[aligned_with]);
    for (int consumed = change.change; consumed <= 0 && at < text.text.size(); ++consumed)
      at += code_point_at(text.text, at).num_bytes;
  }
}

bool is_unchanged(std::string_view before, const std::vector<Change>& run) {
  size_t at = 0;
  for (const Change& change : run) {
    if (at >= before.size()) return false;
    const CodePoint point = code_point_at(before, at);
    if (change.change != 0 || change.value != point.value) return false;
    at += point.num_bytes;
  }
  return at == before.size();
}

// The form of the run that starts at `at`, and where the run ends.
size_t read_run(const std::string& text, size_t at, const Rules& rules, std::vector<Change>& run) {
  run.clear();
  for (bool continuing = false; at < text.size(); continuing = true) {
    const CodePoint next = code_point_at(text, at);
    if (!append_decomposed(next.value, rules.compatibility, continuing, run)) break;
    at += next.num_bytes;
  }
  if (run.size() > 1) {
    sort_marks(run);
    if (rules.compose) compose_run(run);
  }
  return at;
}

}  // namespace

void apply_normal_form(AlignedText& text, NormalForm form) {
  const Rules rules = rules_of(form);
  std::optional<Rewriter> out;
  std::vector<Change> run;
  size_t copied = 0;
  const std::string& s = text.text;
  for (size_t at = 0; at < s.size();) {
    const CodePoint first = code_point_at(s, at);
    const size_t next = at + first.num_bytes;
    if (first.value < rules.first_changing && (next == s.size() || static_cast<unsigned char>(s[next]) < 0xCC)) {
      at = next;  // the next character is below U+0300
      continue;
    }
    const size_t end = read_run(s, at, rules, run);
    if (!is_unchanged(std::string_view(s).substr(at, end - at), run)) {
      text.make_explicit();
      if (!out) out.emplace(text);
      out->copy(copied, at);
      write_run(text, at, run, *out);
      copied = end;
    }
    at = end;
  }
  if (!out) return;
  out->copy(copied, s.size());
  text = out->take();
}

}  // namespace distill
