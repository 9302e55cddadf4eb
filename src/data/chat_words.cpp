#include "distill/data/chat_words.h"

namespace distill {

ChatWords chat_words(const std::filesystem::path& folder, const std::filesystem::path& file) {
  ChatWords words;
  if (file.empty() && folder.empty()) return words;
  try {
    if (auto chat = load_chat_template(folder, file)) words.chat = std::make_shared<const ChatTemplate>(std::move(*chat));
  } catch (const InputError& error) {
    if (!file.empty()) throw;
    words.problem = error.complaints().front();
  }
  return words;
}

const ChatTemplate& expect_template(const ChatWords& words, const MessagesSample& sample, const std::string& where) {
  if (words.chat) return *words.chat;
  if (words.problem) {
    Complaint complaint = *words.problem;
    complaint.where = where + ", " + complaint.where;
    throw InputError(complaint);
  }
  const bool instruction = sample.form == ConversationForm::instruction;
  throw InputError(
      {where, std::string("a chat template, as the row is ") + (instruction ? "an instruction" : "a conversation"),
       "none beside the tokenizer",
       std::string("Put chat_template.jinja beside tokenizer.json, or name one with data.chat_template; without one write ") +
           (instruction ? "{\"prompt\": ..., \"completion\": ...}, whose texts are used as they stand." : "{\"text\": ...}."),
       ""});
}

}  // namespace distill
