// Two readings of one text: a student and a teacher whose tokenizers differ, and which of their positions correspond.
//
// A position that has read the text up to some byte answers the question "what comes after these bytes?", whatever tokens it read
// them as. So the position of one side that has read exactly as much of the text as a position of the other is its counterpart,
// and nothing else is: pairing the k-th of one with the k-th of the other (Boizard et al., 2024) compares answers to different
// questions from the first word on that one tokenizer cuts and the other leaves whole. A position inside a character, or at a
// boundary that only one tokenizer has, has no counterpart.
//
// Chat templates write other words around what the assistant says, so the text of a conversation is compared turn by turn: from
// the message's content on (from the turn's beginning where a template changes the content), as far as both sides write the
// same, and once more at the end of that, where each side predicts what its own template puts behind it.
#pragma once

#include <cstdint>
#include <vector>

#include "distill/data/render.h"

namespace distill {

// A rendered document, and where its tokens stand in its text.
struct Reading {
  Document document;
  TextTrace trace;
};

// Two tokens, by their places in their documents, whose predictions are compared: each is predicted by the position before it.
struct TokenPair {
  uint32_t student = 0, teacher = 0;
  bool operator==(const TokenPair&) const = default;
};

// In ascending order on both sides; both tokens are kept. InputError names `where` when the sides have another number of turns.
std::vector<TokenPair> paired_tokens(const Reading& student, const Reading& teacher, const std::string& where);

// The sample as both sides read it, each cut to its own length. The teacher's document keeps the tokens that have a counterpart
// inside the student's, whose place there is their label. InputError names `where`: input_ids, which belong to one tokenizer, and
// all that render() refuses.
struct TwoDocuments {
  Document student, teacher;
  bool student_cut = false, teacher_cut = false;
};
struct ReaderRules {
  RenderRules render;
  int64_t sequence_length = 0;
};
TwoDocuments render_for_both(const Sample& sample, const ReaderRules& student, const ReaderRules& teacher,
                             const std::string& where);

}  // namespace distill
