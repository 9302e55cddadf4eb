// The verb `tokenize` between strings: what it answers, and where it stops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "distill/cli/verbs_tokenize.h"

#include "data/byte_tokenizer.h"

namespace distill {
namespace {

using testing::AllOf;
using testing::HasSubstr;

LineReader lines_of(const std::string& text) {
  return {"stdin", [text, at = size_t{0}](char* into, size_t count) mutable {
            const size_t taken = text.copy(into, count, at);
            at += taken;
            return taken;
          }};
}

// What was written, also when the input was refused (`message`).
std::string answers_to(const std::string& input, bool special_tokens = true, std::string* message = nullptr) {
  char* data = nullptr;
  size_t size = 0;
  std::FILE* out = ::open_memstream(&data, &size);
  try {
    EXPECT_TRUE(tokenize_lines(ByteTokenizer(), {}, special_tokens, lines_of(input), out));
  } catch (const InputError& error) {
    if (!message) throw;
    *message = error.what();
  }
  std::fclose(out);
  const std::string written(data, size);
  std::free(data);
  return written;
}

TEST(Tokenize, AnswersEveryLineWithIdsAndTheDecodedText) {
  EXPECT_EQ(answers_to("{\"text\": \"cab\"}\n{\"text\": \"\"}"),
            "{\"input_ids\":[1,102,300],\"decoded\":\"<s>cab\"}\n{\"input_ids\":[1],\"decoded\":\"<s>\"}\n");
  EXPECT_EQ(answers_to("{\"text\": \"c</s>\"}\n", false), "{\"input_ids\":[102,2],\"decoded\":\"c</s>\"}\n");
}

TEST(Tokenize, WritesNonAsciiTextAsUtf8) {
  EXPECT_THAT(answers_to("{\"text\": \"\\u00e9\"}\n"), HasSubstr("\"decoded\":\"<s>\xc3\xa9\""));
}

TEST(Tokenize, ABrokenLineIsNamedAndTheAnswersBeforeItAreKept) {
  std::string message;
  EXPECT_EQ(answers_to("{\"text\": \"c\"}\n{\"text\": 5}\n", true, &message), "{\"input_ids\":[1,102],\"decoded\":\"<s>c\"}\n");
  EXPECT_THAT(message, AllOf(HasSubstr("stdin:2: "), HasSubstr("to be a string")));
  answers_to("{\"text\": \"c\"\n", true, &message);
  EXPECT_THAT(message, HasSubstr("stdin:1:"));
  answers_to("{\"messages\": []}\n", true, &message);
  EXPECT_THAT(message, AllOf(HasSubstr("stdin:1: "), HasSubstr("at least one message")));
  answers_to("{\"messages\": [{\"role\": \"user\", \"content\": \"c\"}]}\n", true, &message);
  EXPECT_THAT(message, AllOf(HasSubstr("stdin:1: "), HasSubstr("a chat template"), HasSubstr("none beside the tokenizer")));
  answers_to("{\"input_ids\": [1]}\n", true, &message);
  EXPECT_THAT(message, AllOf(HasSubstr("stdin:1: "), HasSubstr("\"input_ids\"")));
}

TEST(Tokenize, AClosedPipeEndsTheWorkQuietly) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  auto* const before = std::signal(SIGPIPE, SIG_IGN);
  std::FILE* out = ::fdopen(ends[1], "w");
  EXPECT_FALSE(tokenize_lines(ByteTokenizer(), {}, true, lines_of("{\"text\": \"c\"}\n{\"text\": \"d\"}\n"), out));
  std::fclose(out);
  std::signal(SIGPIPE, before);
}

}  // namespace
}  // namespace distill
