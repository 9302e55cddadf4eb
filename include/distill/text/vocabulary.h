// Do teacher and student mean the same by the same id?
#pragma once

#include <cstdint>
#include <optional>

#include "distill/core/error.h"
#include "distill/text/tokenizer.h"

namespace distill {

struct VocabularySide {
  const Tokenizer* tokenizer = nullptr;  // null when the folder has none
  int64_t width = 0;                     // rows of the output head
};

struct CommonVocabulary {
  int64_t width = 0;    // ids from here on are dropped on both sides
  int64_t dropped = 0;  // rows of the wider head above it
};

// Where both have a tokenizer: how they differ; nothing when the ids of one mean the same to the other.
std::optional<Complaint> vocabulary_difference(const VocabularySide& teacher, const VocabularySide& student);

// Equal widths drop nothing. Different widths drop the ids above the smaller one, when no tokenizer names any of them and both
// agree on the rest. InputError shows the first differing ids. `assume_same` skips the comparison.
CommonVocabulary common_vocabulary(const VocabularySide& teacher, const VocabularySide& student, bool assume_same);

}  // namespace distill
