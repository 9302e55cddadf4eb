#include "distill/data/pairing.h"

#include <algorithm>
#include <compare>
#include <optional>
#include <string_view>

#include "distill/core/error.h"

namespace distill {
namespace {

// How much of a stretch was read before a token came.
struct TextPlace {
  size_t stretch = 0, bytes = 0;
  auto operator<=>(const TextPlace&) const = default;
};

struct PlacedToken {
  TextPlace place;
  uint32_t token = 0;
};

// Where a stretch begins on a side; `by_words`: where the words of its message do.
size_t begin_of(const TextStretch& stretch, bool by_words) { return by_words ? *stretch.words : stretch.begin; }

// The stretches of one side from where both sides' texts are compared on.
using Ranges = std::vector<std::pair<size_t, size_t>>;

size_t index_of_range(const Ranges& ranges, size_t byte) {
  for (size_t s = 0; s < ranges.size(); ++s)
    if (ranges[s].first <= byte && byte < ranges[s].second) return s;
  return ranges.size();
}

// The kept tokens that begin at the end of what was read before them, in order, and the one that follows the whole text.
std::vector<PlacedToken> placed_tokens(const Reading& reading, const Ranges& ranges) {
  const auto& offsets = reading.trace.offsets;
  const auto reads = [](const auto& bytes) { return bytes.second > bytes.first; };
  const size_t behind_text = static_cast<size_t>(std::find_if(offsets.rbegin(), offsets.rend(), reads).base() - offsets.begin());
  const bool reaches_the_end = !ranges.empty() && ranges.back().second == reading.trace.text.size();
  std::vector<PlacedToken> placed;
  size_t read = 0;
  for (size_t i = 0; i < offsets.size(); ++i) {
    const auto [begin, end] = offsets[i];
    const bool at_a_boundary = end > begin && begin >= read;
    const size_t stretch = at_a_boundary ? index_of_range(ranges, begin) : ranges.size();
    const bool kept = reading.document.tokens[i].kept();
    if (kept && stretch < ranges.size()) {
      const size_t from = ranges[stretch].first;
      placed.push_back({{stretch, std::max(read, from) - from}, static_cast<uint32_t>(i)});
    } else if (kept && i == behind_text && reaches_the_end) {
      placed.push_back({{ranges.size() - 1, ranges.back().second - ranges.back().first}, static_cast<uint32_t>(i)});
    }
    read = std::max<size_t>(read, end);
  }
  return placed;
}

// How many bytes of each stretch are the same on both sides.
std::vector<size_t> common_bytes(std::string_view a, const Ranges& in_a, std::string_view b, const Ranges& in_b) {
  std::vector<size_t> common;
  for (size_t s = 0; s < in_a.size(); ++s) {
    const auto x = a.substr(in_a[s].first, in_a[s].second - in_a[s].first);
    const auto y = b.substr(in_b[s].first, in_b[s].second - in_b[s].first);
    common.push_back(static_cast<size_t>(std::mismatch(x.begin(), x.end(), y.begin(), y.end()).first - x.begin()));
  }
  return common;
}

[[noreturn]] void refuse_other_turns(size_t student, size_t teacher, const std::string& where) {
  throw InputError(
      {where, "chat templates of teacher and student that mark as many turns of the assistant",
       std::to_string(student) + " for the student and " + std::to_string(teacher) + " for the teacher",
       "Put {% generation %} and {% endgeneration %} round every turn of the assistant in both templates, or in none.", ""});
}

void refuse_ids(const Sample& sample, const std::string& where) {
  if (!std::holds_alternative<IdsSample>(sample)) return;
  throw InputError({where, "text, as teacher and student have different tokenizers and each reads it with its own", "input_ids",
                    "Give the text as {\"text\": ...}, or choose a teacher with the student's tokenizer.", ""});
}

// data.chat_template is written for the student's special tokens.
void expect_teacher_template(const Sample& sample, const ChatWords& words, const std::string& where) {
  if (!std::holds_alternative<MessagesSample>(sample) || words.chat || words.problem) return;
  throw InputError({where, "a chat template of the teacher's own, as its tokenizer is not the student's", "none in its folder",
                    "Put chat_template.jinja beside the teacher's tokenizer.json.", ""});
}

Reading read(const Sample& sample, const RenderRules& rules, const std::string& where) {
  Reading reading;
  reading.document = render(sample, rules, where, &reading.trace);
  return reading;
}

bool cut_to(Document& document, int64_t length) {
  if (static_cast<int64_t>(document.tokens.size()) <= length) return false;
  document = std::move(cut(std::move(document), length, Overflow::truncate).front());
  return true;
}

// Teachers learn nothing: what their document keeps are the counterparts.
void note_pairs(const Document& student, Document& teacher, const std::vector<TokenPair>& pairs) {
  for (Token& token : teacher.tokens) token = Token::of(token.id(), false);
  for (const TokenPair& pair : pairs) {
    if (pair.student >= student.tokens.size() || pair.teacher >= teacher.tokens.size()) break;
    teacher.labels.resize(teacher.tokens.size(), kIgnored);
    teacher.labels[pair.teacher] = static_cast<int32_t>(pair.student);
    teacher.tokens[pair.teacher] = Token::of(teacher.tokens[pair.teacher].id(), true);
  }
}

}  // namespace

std::vector<TokenPair> paired_tokens(const Reading& student, const Reading& teacher, const std::string& where) {
  const auto &ours = student.trace.stretches, &theirs = teacher.trace.stretches;
  if (ours.size() != theirs.size()) refuse_other_turns(ours.size(), theirs.size(), where);
  Ranges in_student, in_teacher;
  for (size_t s = 0; s < ours.size(); ++s) {
    const bool by_words = ours[s].words && theirs[s].words;
    in_student.emplace_back(begin_of(ours[s], by_words), ours[s].end);
    in_teacher.emplace_back(begin_of(theirs[s], by_words), theirs[s].end);
  }
  const std::vector<size_t> common = common_bytes(student.trace.text, in_student, teacher.trace.text, in_teacher);
  const std::vector<PlacedToken> a = placed_tokens(student, in_student), b = placed_tokens(teacher, in_teacher);
  std::vector<TokenPair> pairs;
  for (size_t i = 0, k = 0; i < a.size() && k < b.size();) {
    if (a[i].place == b[k].place && a[i].place.bytes <= common[a[i].place.stretch]) pairs.push_back({a[i].token, b[k].token});
    const bool both = a[i].place == b[k].place, student_behind = a[i].place < b[k].place;
    i += both || student_behind ? 1 : 0;
    k += both || !student_behind ? 1 : 0;
  }
  return pairs;
}

TwoDocuments render_for_both(const Sample& sample, const ReaderRules& student, const ReaderRules& teacher,
                             const std::string& where) {
  refuse_ids(sample, where);
  expect_teacher_template(sample, teacher.render.words, where);
  Reading ours = read(sample, student.render, where), theirs = read(sample, teacher.render, where + ", for the teacher");
  const std::vector<TokenPair> pairs = paired_tokens(ours, theirs, where);
  TwoDocuments two{std::move(ours.document), std::move(theirs.document)};
  two.student_cut = cut_to(two.student, student.sequence_length);
  two.teacher_cut = cut_to(two.teacher, teacher.sequence_length);
  note_pairs(two.student, two.teacher, pairs);
  return two;
}

}  // namespace distill
