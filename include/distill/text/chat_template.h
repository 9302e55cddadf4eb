// Chat templates: a conversation to the text that the model was trained on, as transformers renders it with jinja2 (sandboxed,
// trim_blocks, lstrip_blocks). The template is data from a stranger: steps, depth and output are bounded.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "distill/core/json_reader.h"

namespace distill {

struct ChatText {
  std::string text;
  // Byte ranges of `text` that came out of {% generation %} blocks, in order; counted as transformers counts, so they are right
  // for blocks outside of macros and captured text only.
  std::vector<std::pair<size_t, size_t>> generated;
};

struct ChatRequest {
  Json messages = Json::array();
  Json tools;  // null: none
  bool add_generation_prompt = false;
  Json variables;  // null, or an object: further names that the template may read (such as enable_thinking)
};

// Immutable after loading and safe to use from many threads.
class ChatTemplate {
 public:
  // `where` names the file and the member; `names` is an object of what the template reads besides the request: bos_token,
  // eos_token and the other special tokens. InputError names what of Jinja is not available, with the template's line.
  ChatTemplate(const std::string& source, std::string where, Json names);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // Requests with tools (also an empty list of them) are rendered by this template instead.
  void use_for_tools(ChatTemplate with_tools);

  // True when the template (the one for requests without tools) has a {% generation %} block.
  bool marks_generation() const;
  // Members of messages that are null are left out first, as transformers does.
  // InputError: the template's own words where it refuses (raise_exception), an error with the template's line, or the limit
  // that it ran into.
  ChatText render(const ChatRequest& request) const;
  // True when the same request may be written otherwise at another time (strftime_now).
  bool tells_time() const;
  // Hash of the source and the names, for fingerprints.
  uint64_t fingerprint() const;

 private:
  struct Program;
  std::unique_ptr<Program> program_;
};

// <folder>/chat_template.jinja, else `chat_template` of tokenizer_config.json (a string, or a list of {name, template}, of which
// `default` is taken, and `tool_use` for requests that have tools), else chat_template.json. Special tokens
// come from tokenizer_config.json and special_tokens_map.json. nullopt when the folder has none.
// A `file` replaces the folder's template; the special tokens stay those of the folder, which may then be empty.
std::optional<ChatTemplate> load_chat_template(const std::filesystem::path& folder, const std::filesystem::path& file = {});

}  // namespace distill
