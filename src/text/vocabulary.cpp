#include "distill/text/vocabulary.h"

#include <algorithm>
#include <string>

#include "distill/core/error.h"

namespace distill {
namespace {

std::string shown(const std::optional<std::string>& token) { return token ? "\"" + *token + "\"" : "no token"; }

[[noreturn]] void refuse(const std::string& expected, const std::string& found) {
  throw InputError(
      {"vocabulary", expected, found,
       "Use a student of the teacher's model family, or set data.vocabulary to assume_same if you know that the ids agree.", ""});
}

void compare_tokens(const Tokenizer& teacher, const Tokenizer& student, int64_t width) {
  if (teacher.fingerprint() == student.fingerprint()) return;
  std::string differences;
  int shown_count = 0;
  for (int64_t id = 0; id < width; ++id) {
    const auto from_teacher = teacher.token_of(static_cast<int32_t>(id)),
               from_student = student.token_of(static_cast<int32_t>(id));
    if (from_teacher == from_student) continue;
    if (shown_count++ == 3) break;
    differences += (differences.empty() ? "id " : "; id ") + std::to_string(id) + " is " + shown(from_teacher) +
                   " for the teacher and " + shown(from_student) + " for the student";
  }
  if (!differences.empty()) refuse("teacher and student to give every id the same token", differences);
}

void refuse_named_above(const Tokenizer& tokenizer, const char* side, int64_t width) {
  for (int64_t id = width; id < tokenizer.num_ids(); ++id)
    if (const auto token = tokenizer.token_of(static_cast<int32_t>(id)))
      refuse("no token above the smaller vocabulary (" + std::to_string(width) + " ids)",
             "id " + std::to_string(id) + " is " + shown(token) + " for the " + side);
}

}  // namespace

CommonVocabulary common_vocabulary(const VocabularySide& teacher, const VocabularySide& student, bool assume_same) {
  const int64_t width = std::min(teacher.width, student.width);
  const int64_t dropped = std::max(teacher.width, student.width) - width;
  if (assume_same) return {width, dropped};
  if (teacher.tokenizer && student.tokenizer) {
    compare_tokens(*teacher.tokenizer, *student.tokenizer, width);
    if (dropped > 0) {
      refuse_named_above(*teacher.tokenizer, "teacher", width);
      refuse_named_above(*student.tokenizer, "student", width);
    }
  } else if (dropped > 0) {
    refuse("vocabularies of equal width, or a tokenizer.json in both folders to compare",
           std::to_string(teacher.width) + " ids for the teacher and " + std::to_string(student.width) + " for the student");
  }
  return {width, dropped};
}

}  // namespace distill
