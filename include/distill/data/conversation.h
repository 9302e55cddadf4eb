// A conversation as the model reads it: the text of its template, the tokens, and which of them the model says itself.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "distill/data/render.h"
#include "distill/data/sample.h"
#include "distill/text/chat_template.h"
#include "distill/text/tokenizer.h"

namespace distill {

struct TurnText {
  std::string text;
  // Byte ranges of `text` that the model says, in order.
  std::vector<std::pair<size_t, size_t>> spans;
  // Spans from {% generation %} blocks take every token that reaches into them, as transformers does; those from differences of
  // prefixes only tokens that begin in them, so that nothing of a header is learned.
  bool marked = false;
};

// The spans: of a sample with num_prompt, what follows the prompt and the assistant's header; else what stands in
// {% generation %} blocks where the template has them; else every assistant message from the end of its header (the text of what
// comes before, with a generation prompt) to the beginning of the next message (the text up to and with it). Where a template
// writes a turn differently when others follow it, the turn is found by a mark in place of its content. InputError names `where`
// for a turn that is not found for certain, and gives the words of a template that refuses.
TurnText write_turns(const MessagesSample& sample, const ChatTemplate& chat, const std::string& where,
                     bool add_generation_prompt = false);
// The text alone.
std::string write_conversation(const MessagesSample& sample, const ChatTemplate& chat, const std::string& where);

// The spans as stretches; one that stands for one message, and holds its content without the blanks at its ends, says where.
std::vector<TextStretch> stretches_of(const MessagesSample& sample, const TurnText& turns);

// For every token whether it lies in a span.
std::vector<bool> tokens_in_spans(const Encoding& encoding, const TurnText& turns);

}  // namespace distill
