#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "distill/cli/verbs_tokenize.h"
#include "distill/core/error.h"
#include "distill/core/hub_cache.h"
#include "distill/core/json_reader.h"
#include "distill/data/conversation.h"

namespace distill {
namespace {

// A closed pipe shall end the command as the end of its work, not as a signal.
class IgnoredSigpipe {
 public:
  IgnoredSigpipe() : before_(std::signal(SIGPIPE, SIG_IGN)) {}
  ~IgnoredSigpipe() { std::signal(SIGPIPE, before_); }
  IgnoredSigpipe(const IgnoredSigpipe&) = delete;
  IgnoredSigpipe& operator=(const IgnoredSigpipe&) = delete;

 private:
  void (*before_)(int);
};

Json ids_answer(const Encoding& encoding, const Tokenizer& tokenizer) {
  Json answer;
  answer["input_ids"] = encoding.ids;
  answer["decoded"] = tokenizer.decode(encoding.ids, /*skip_special_tokens=*/false);
  return answer;
}

Json conversation_answer(const MessagesSample& sample, const std::string& where, const Tokenizer& tokenizer,
                         const ChatWords& words) {
  const TurnText turns = write_turns(sample, expect_template(words, sample, where), where, sample.add_generation_prompt);
  const Encoding encoding = tokenizer.encode(turns.text, /*add_special_tokens=*/false);
  Json answer = ids_answer(encoding, tokenizer);
  answer["text"] = turns.text;
  Json& mask = answer["assistant_mask"] = Json::array();
  for (const bool inside : tokens_in_spans(encoding, turns)) mask.push_back(inside ? 1 : 0);
  return answer;
}

Json answer_to(const Line& line, const std::string& where, const Tokenizer& tokenizer, const ChatWords& words,
               bool special_tokens) {
  const Sample sample = parse_json_row(line.text, where, /*vocab_size=*/0);
  if (const auto* text = std::get_if<TextSample>(&sample))
    return ids_answer(tokenizer.encode(text->text, special_tokens), tokenizer);
  if (const auto* messages = std::get_if<MessagesSample>(&sample)) return conversation_answer(*messages, where, tokenizer, words);
  throw InputError({where, "a row with \"text\" or \"messages\"",
                    std::holds_alternative<IdsSample>(sample) ? "\"input_ids\"" : "\"prompt\" and \"completion\"",
                    "Write {\"text\": ...} or {\"messages\": [...]} on every line.", ""});
}

std::string printed(const Json& answer) {
  return answer.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

// False when nobody reads any more.
bool wrote(bool success) {
  if (success) return true;
  if (errno == EPIPE) return false;
  throw IoError({"stdout", "writing to succeed", std::strerror(errno), "Free some space, or write elsewhere.", ""});
}

}  // namespace

bool tokenize_lines(const Tokenizer& tokenizer, const ChatWords& words, bool special_tokens, LineReader lines, std::FILE* out) {
  for (Line line; lines.next_row(line);) {
    const std::string answer = printed(answer_to(line, lines.where(line.number), tokenizer, words, special_tokens));
    if (!wrote(std::fwrite(answer.data(), 1, answer.size(), out) == answer.size())) return false;
    // Whoever feeds us line by line waits for the answer; a file is written in large blocks.
    if (!lines.has_line() && !wrote(std::fflush(out) == 0)) return false;
  }
  return wrote(std::fflush(out) == 0);
}

int run_tokenize(const TokenizeOptions& options) {
  const std::filesystem::path folder = find_model(options.model);
  const auto tokenizer = load_tokenizer(folder);
  const ChatWords words = chat_words(folder);
  const IgnoredSigpipe guard;
  tokenize_lines(*tokenizer, words, options.special_tokens, lines_of_stdin(), stdout);
  return static_cast<int>(ExitCode::done);
}

}  // namespace distill
