// The chat template that goes with a tokenizer, or why there is none: data of other kinds needs none, so only a conversation
// asks.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "distill/core/error.h"
#include "distill/data/sample.h"
#include "distill/text/chat_template.h"

namespace distill {

struct ChatWords {
  std::shared_ptr<const ChatTemplate> chat;  // null: none
  std::optional<Complaint> problem;          // the folder has a template that cannot be used
};

// The template of a tokenizer's folder (which may be empty: none), or, when `file` is not empty, the one in that file with the
// folder's special tokens. InputError when `file` cannot be used: it was asked for.
ChatWords chat_words(const std::filesystem::path& folder, const std::filesystem::path& file = {});

// InputError names `where` and says what to do when there is no template for the row.
const ChatTemplate& expect_template(const ChatWords& words, const MessagesSample& sample, const std::string& where);

}  // namespace distill
