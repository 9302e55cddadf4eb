// A student learns from a teacher that reads with another tokenizer, through the command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "distill/core/random.h"

#include "paths.h"
#include "system/tiny.h"

namespace distill::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kArrows =
    "{% for m in messages %}{{ m.role[0] + '>' + m.content + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}a>{% endif %}";
constexpr const char* kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

std::string sentence(uint64_t key) {
  static const std::vector<std::string> kWords = {"the",  "old",   "house", "m\u00fcde",    "cat",
                                                  "it's", "where", "ran",   "\u4f60\u597d", "42"};
  std::string text;
  const uint64_t length = 4 + mix_bits(key) % 9;
  for (uint64_t i = 0; i < length; ++i) text += (i ? " " : "") + kWords[mix_bits(key * 100 + i + 1) % kWords.size()];
  return text;
}

class TwoTokenizers : public testing::Test {
 protected:
  void SetUp() override {
    add_words("ours", "qwen2", {{"eos_token", "<|im_end|>"}, {"chat_template", kChatMl}});
    add_words("theirs", "llama2", {{"eos_token", "</s>"}, {"chat_template", kArrows}});
    std::string rows, held, talk;
    for (uint64_t i = 0; i < 40; ++i) rows += Json{{"text", sentence(i)}}.dump() + "\n";
    for (uint64_t i = 0; i < 8; ++i) held += Json{{"text", sentence(1000 + i)}}.dump() + "\n";
    for (uint64_t i = 0; i < 20; ++i)
      talk += Json{{"messages",
                    {{{"role", "user"}, {"content", sentence(i)}}, {{"role", "assistant"}, {"content", sentence(50 + i)}}}}}
                  .dump() +
              "\n";
    place.write("rows.jsonl", rows);
    place.write("held.jsonl", held);
    place.write("talk.jsonl", talk);
    ASSERT_NO_FATAL_FAILURE(make_teacher(place, "tokenizer: theirs, config: " + tiny_config(32, 3, 900, 0.5), 64));
    place.write("two.yaml",
                "teacher: {path: teacher}\n"
                "student: {init: {tokenizer: ours, config: " +
                    tiny_config(16, 2, 803) +
                    "}}\n"
                    "data: {train: [{path: rows.jsonl}], eval: [{path: held.jsonl}], sequence_length: 64}\n"
                    "objective: [{function: uld}, {function: cross_entropy, weight: 0.1}]\n"
                    "optimizer: {learning_rate: 1e-2}\n"
                    "train: {length: 30 steps, batch_size: 2, device: cpu}\n"
                    "output: runs/two\n");
  }
  void add_words(const std::string& folder, const std::string& tokenizer, const Json& config) {
    std::filesystem::create_directory(place.file(folder));
    std::filesystem::copy(test_data("text/" + tokenizer + "/tokenizer.json"), place.file(folder + "/tokenizer.json"));
    place.write(folder + "/tokenizer_config.json", config.dump());
  }
  Outcome train(std::vector<std::string> changes = {}) {
    std::vector<std::string> words = {"train", "two.yaml", "--progress", "none"};
    for (const std::string& change : changes) words.insert(words.end(), {"--set", change});
    return place.run(words);
  }
  void expect_refused(int exit_code, const std::vector<std::string>& changes, const testing::Matcher<const std::string&>& words) {
    const Outcome outcome = train(changes);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    EXPECT_THAT(outcome.err, words);
    EXPECT_FALSE(place.has("runs/two"));
  }

  Workplace place;
};

TEST_F(TwoTokenizers, AStudentLearnsByUld) {
  const Outcome outcome = train();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("different tokenizers"), HasSubstr("of them paired with the teacher's"),
                                 HasSubstr("leave out kl and top1_agreement")));
  const auto steps = logged_steps(place, "runs/two");
  ASSERT_EQ(steps.size(), 30u);
  EXPECT_LT(steps.at(30)["terms"]["uld"].get<double>(), 0.6 * steps.at(1)["terms"]["uld"].get<double>());
  EXPECT_LT(steps.at(1)["paired_tokens"], steps.at(1)["tokens"]);
  const Json summary = Json::parse(place.read("runs/two/summary.json"));
  EXPECT_FALSE(summary["student_after"].contains("kl"));
  EXPECT_LT(summary["student_after"]["perplexity"].get<double>(), summary["student_before"]["perplexity"].get<double>());
  EXPECT_THAT(outcome.out, HasSubstr("its tokenizer is not the student's"));
  EXPECT_EQ(place.read("runs/two/student/tokenizer.json"), place.read("ours/tokenizer.json"));
}

TEST_F(TwoTokenizers, EachSideWritesConversationsWithItsOwnTemplate) {
  const Outcome outcome = train({"data.train.0.path=talk.jsonl", "objective=[{function: uld}]"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto steps = logged_steps(place, "runs/two");
  EXPECT_LT(steps.at(30)["terms"]["uld"].get<double>(), 0.6 * steps.at(1)["terms"]["uld"].get<double>());
  // The end of the turn at least, which is <|im_end|> here and </s> there, and the word boundaries before it.
  EXPECT_GT(steps.at(1)["paired_tokens"].get<int>(), steps.at(1)["tokens"].get<int>() / 3);
}

TEST_F(TwoTokenizers, HeldOutFiguresAreTheStudentsAlone) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"eval", "two.yaml", "--json"},
        {"eval", "--model", "teacher", "--teacher", "other", "--data", "held.jsonl", "--json"}}) {
    if (words[1] == "--model") {
      ASSERT_EQ(train().exit_code, 0);
      std::filesystem::copy(place.file("runs/two/student"), place.file("other"));
    }
    const Outcome outcome = place.run(words);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("the teacher's tokenizer is not the student's"));
    const Json figures = Json::parse(outcome.out);
    EXPECT_TRUE(figures.contains("cross_entropy") && figures.contains("perplexity"));
    EXPECT_FALSE(figures.contains("kl") || figures.contains("top1_agreement"));
  }
}

TEST_F(TwoTokenizers, WhatNeedsOneTokenizerIsRefusedByName) {
  expect_refused(65, {"objective=[{function: uld}, {function: kl}]"},
                 AllOf(HasSubstr("every id the same token"), HasSubstr("for the teacher and"), HasSubstr("`uld`")));
  expect_refused(
      2,
      {"objective=[{function: uld}, {function: hidden_mse}, {function: attention_mse, layer_mapping: [[1, 3]]}]",
       "data.overflow=split"},
      AllOf(HasSubstr("objective.1.function"), HasSubstr("hidden_mse, while teacher and student have different tokenizers"),
            HasSubstr("attention_mse, while"), HasSubstr("positions do not correspond"), HasSubstr("data.overflow")));
  place.write("ids.jsonl", "{\"text\": \"a b c\"}\n{\"input_ids\": [5, 6, 7]}\n");
  expect_refused(65, {"data.train.0.path=ids.jsonl"}, AllOf(HasSubstr("ids.jsonl:2"), HasSubstr("input_ids")));
  place.write("teacher/tokenizer_config.json", R"({"eos_token": "</s>"})");
  expect_refused(65, {"data.train.0.path=talk.jsonl"},
                 AllOf(HasSubstr("talk.jsonl:1"), HasSubstr("a chat template of the teacher's own")));
  place.write("teacher/tokenizer_config.json", "{}");
  place.write("teacher/config.json", [&] {
    Json config = Json::parse(place.read("teacher/config.json"));
    config.erase("eos_token_id");
    return config.dump();
  }());
  expect_refused(65, {}, AllOf(HasSubstr("rows.jsonl:1, for the teacher"), HasSubstr("end-of-sequence")));
}

}  // namespace
}  // namespace distill::test
