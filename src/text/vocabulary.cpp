#include "distill/text/vocabulary.h"

#include <algorithm>
#include <string>

#include "distill/core/error.h"

namespace distill {
namespace {

std::string shown(const std::optional<std::string>& token) { return token ? "\"" + *token + "\"" : "no token"; }

Complaint difference(const std::string& expected, const std::string& found) {
  return {"vocabulary", expected, found,
          "Use a student of the teacher's model family; or compare by `uld` alone, which needs no common ids; or set "
          "data.vocabulary to assume_same if you know that the ids agree.",
          ""};
}

std::optional<Complaint> compare_tokens(const Tokenizer& teacher, const Tokenizer& student, int64_t width) {
  if (teacher.fingerprint() == student.fingerprint()) return std::nullopt;
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
  if (differences.empty()) return std::nullopt;
  return difference("teacher and student to give every id the same token", differences);
}

std::optional<Complaint> named_above(const Tokenizer& tokenizer, const char* side, int64_t width) {
  for (int64_t id = width; id < tokenizer.num_ids(); ++id)
    if (const auto token = tokenizer.token_of(static_cast<int32_t>(id)))
      return difference("no token above the smaller vocabulary (" + std::to_string(width) + " ids)",
                        "id " + std::to_string(id) + " is " + shown(token) + " for the " + side);
  return std::nullopt;
}

}  // namespace

std::optional<Complaint> vocabulary_difference(const VocabularySide& teacher, const VocabularySide& student) {
  const int64_t width = std::min(teacher.width, student.width);
  if (!teacher.tokenizer || !student.tokenizer) throw Bug("vocabularies without tokenizers, compared by their words");
  std::optional<Complaint> found = compare_tokens(*teacher.tokenizer, *student.tokenizer, width);
  if (teacher.width == student.width) return found;
  if (!found) found = named_above(*teacher.tokenizer, "teacher", width);
  if (!found) found = named_above(*student.tokenizer, "student", width);
  return found;
}

CommonVocabulary common_vocabulary(const VocabularySide& teacher, const VocabularySide& student, bool assume_same) {
  const int64_t width = std::min(teacher.width, student.width);
  const int64_t dropped = std::max(teacher.width, student.width) - width;
  if (assume_same) return {width, dropped};
  if (teacher.tokenizer && student.tokenizer) {
    if (const auto found = vocabulary_difference(teacher, student)) throw InputError(*found);
  } else if (dropped > 0) {
    throw InputError(difference(
        "vocabularies of equal width, or a tokenizer.json in both folders to compare",
        std::to_string(teacher.width) + " ids for the teacher and " + std::to_string(student.width) + " for the student"));
  }
  return {width, dropped};
}

}  // namespace distill
