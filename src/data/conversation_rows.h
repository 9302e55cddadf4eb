// Rows that hold a conversation, in the spellings that data sets have for it, as one list of messages.
#pragma once

#include <string>

#include "distill/data/sample.h"

namespace distill {

// `messages`, with `tools` and `chat_template_kwargs`.
MessagesSample messages_row(const Json& row, const std::string& where);
// `conversations`: ShareGPT's {from, value}, with `system`, or {role, content}.
MessagesSample conversations_row(const Json& row, const std::string& where);
// `prompt` and `completion` as lists of messages.
MessagesSample prompt_completion_row(const Json& row, const std::string& where);
// Alpaca: `instruction`, `input`, `output`, with `system` and `history` (a list of [instruction, output]).
MessagesSample instruction_row(const Json& row, const std::string& where);

}  // namespace distill
