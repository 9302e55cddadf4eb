// Bytes as a chat template, rendered over a conversation with tools: every end but a text or a refusal is a finding.
#include "distill/text/chat_template.h"

#include "fuzz/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace distill;
  using namespace distill::test;
  static const ChatRequest request = {
      Json::array({{{"role", "system"}, {"content", "Be brief."}},
                   {{"role", "user"}, {"content", "\u00dcber <b>alles</b>\n"}},
                   {{"role", "assistant"}, {"content", {{{"type", "text"}, {"text", "x"}}}}, {"tool_calls", {{{"id", 1}}}}}}),
      Json::array({{{"name", "f"}, {"parameters", {{"items", 1.5}, {"keys", true}}}}}), true, nullptr};
  return refusal_is_fine([&] {
    const ChatTemplate chat(std::string(text_of(data, size)), "template", Json{{"bos_token", "<s>"}});
    const ChatText text = chat.render(request);
    for (const auto& [begin, end] : text.generated)
      if (begin > end || end > text.text.size()) std::abort();
  });
}
