// Conversations from the template in a folder to a trained student: `tokenize`, `train`, `eval`, `check`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "paths.h"
#include "system/tiny.h"

namespace distill::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kChatMl =
    "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('Tools are not for me') }}{% endif %}"
    "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
constexpr const char* kArrows =
    "{% for m in messages %}{{ m.role[0] + '>' + m.content + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}a>{% endif %}";
const std::string kTalk =
    R"({"messages": [{"role": "user", "content": "Hello world"}, {"role": "assistant", "content": "It's me."}]})";

// words/: a tokenizer and its template. talk.jsonl: eight conversations.
void prepare_words(const Workplace& place) {
  std::filesystem::create_directory(place.file("words"));
  std::filesystem::copy(test_data("text/qwen2/tokenizer.json"), place.file("words/tokenizer.json"));
  place.write("words/tokenizer_config.json", Json{{"eos_token", "<|im_end|>"}, {"chat_template", kChatMl}}.dump());
  std::string rows;
  for (int i = 0; i < 8; ++i) rows += kTalk + "\n";
  place.write("talk.jsonl", rows);
}

std::string recipe(const std::string& more_data = "") {
  return "student: {init: {tokenizer: words, config: " + tiny_config(16, 1, 803) +
         "}}\n"
         "data: {train: [{path: talk.jsonl}], eval: [{path: talk.jsonl}], sequence_length: 64" +
         more_data +
         "}\n"
         "objective: [{function: cross_entropy}]\n"
         "train: {length: 2 steps, batch_size: 1, device: cpu}\n"
         "output: runs/talk\n";
}

Outcome tokenize(const Workplace& place, const std::string& model, const std::string& input) {
  Command command = place.command({"tokenize", "--model", model});
  command.input = input;
  return run_process(command);
}

// Its answer to the conversation above.
Json answer(const Workplace& place, const std::string& model) {
  const Outcome outcome = tokenize(place, model, kTalk + "\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return Json::parse(outcome.out);
}

int64_t num_kept(const Json& answer) {
  int64_t count = 0;
  for (const Json& inside : answer["assistant_mask"]) count += inside.get<int64_t>();
  return count;
}

TEST(Conversations, TokenizeAnswersWithTextIdsAndTheAssistantsMask) {
  const Workplace place;
  prepare_words(place);
  const Json said = answer(place, "words");
  EXPECT_EQ(said["text"], "<|im_start|>user\nHello world<|im_end|>\n<|im_start|>assistant\nIt's me.<|im_end|>\n");
  EXPECT_EQ(said["decoded"], said["text"]);
  ASSERT_EQ(said["assistant_mask"].size(), said["input_ids"].size());
  EXPECT_EQ(said["assistant_mask"][0], 0);
  EXPECT_EQ(said["assistant_mask"].back(), 1);
  const Outcome prompted =
      tokenize(place, "words", R"({"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": true})");
  EXPECT_EQ(Json::parse(prompted.out)["text"], "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(num_kept(Json::parse(prompted.out)), 0);
}

TEST(Conversations, ATemplateThatRefusesEndsTokenizeWithItsWords) {
  const Workplace place;
  prepare_words(place);
  const Outcome refused = tokenize(place, "words", kTalk + "\n" + R"({"messages": [{"role": "tool", "content": "5"}]})" + "\n");
  EXPECT_EQ(refused.exit_code, 65);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("stdin:2"), HasSubstr("Tools are not for me")));
  EXPECT_THAT(refused.out, HasSubstr("assistant_mask")) << "the answer to the first line";
  const Outcome empty = tokenize(place, "words", "{\"messages\": []}\n");
  EXPECT_EQ(empty.exit_code, 65);
  EXPECT_THAT(empty.err, HasSubstr("stdin:1"));
}

TEST(Conversations, TwoStepsLearnWhatTheMaskSaysAndTheStudentKeepsTheTemplate) {
  const Workplace place;
  prepare_words(place);
  place.write("talk.yaml", recipe());
  const Outcome trained = place.run({"train", "talk.yaml", "--progress", "none"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  // Packed rows hold as many conversations as fit into 64 tokens.
  const Json said = answer(place, "words");
  const auto in_a_row = static_cast<int64_t>(64 / said["input_ids"].size());
  EXPECT_EQ(logged_steps(place, "runs/talk").at(1)["tokens"], num_kept(said) * in_a_row);
  EXPECT_EQ(place.read("runs/talk/student/tokenizer_config.json"), place.read("words/tokenizer_config.json"));
  EXPECT_FALSE(place.has("runs/talk/student/chat_template.jinja"));
  EXPECT_EQ(answer(place, "runs/talk/student"), said);
  EXPECT_EQ(place.run({"eval", "talk.yaml"}).exit_code, 0);
}

TEST(Conversations, ATemplateOfTheRecipeReplacesTheFoldersAndGoesIntoTheStudent) {
  const Workplace place;
  prepare_words(place);
  place.write("arrows.jinja", kArrows);
  place.write("talk.yaml", recipe(", chat_template: arrows.jinja"));
  const Outcome trained = place.run({"train", "talk.yaml", "--progress", "none"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_EQ(place.read("runs/talk/student/chat_template.jinja"), kArrows);
  EXPECT_EQ(answer(place, "runs/talk/student")["text"], "u>Hello world<|im_end|>a>It's me.<|im_end|>");
  place.write("talk.yaml", recipe(", chat_template: arrow.jinja"));
  const Outcome checked = place.run({"check", "talk.yaml"});
  EXPECT_EQ(checked.exit_code, 1);
  EXPECT_THAT(checked.err, AllOf(HasSubstr("data.chat_template"), HasSubstr("nothing at `arrow.jinja`")));
}

TEST(Conversations, WithoutATemplateARunStopsAtTheFirstConversation) {
  const Workplace place;
  prepare_words(place);
  place.write("words/tokenizer_config.json", R"({"eos_token": "<|im_end|>"})");
  place.write("talk.yaml", recipe());
  const Outcome trained = place.run({"train", "talk.yaml", "--progress", "none"});
  EXPECT_EQ(trained.exit_code, 65);
  EXPECT_THAT(trained.err, AllOf(HasSubstr("talk.jsonl:1"), HasSubstr("data.chat_template")));
  EXPECT_FALSE(place.has("runs/talk"));
}

}  // namespace
}  // namespace distill::test
