// Conversations: what a template, a tokenizer and a row become, against transformers (scripts/goldens/make_conversations.py).
#include "distill/data/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "distill/core/file.h"
#include "distill/core/random.h"

#include "data/byte_tokenizer.h"
#include "paths.h"

namespace distill {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const Json& golden() {
  static const Json json = parse_json(read_file(test::test_data("conversation/golden.json")), "golden.json");
  return json;
}

const Tokenizer& tokenizer_named(const std::string& name) {
  static std::map<std::string, std::unique_ptr<Tokenizer>> loaded;
  auto& tokenizer = loaded[name];
  if (!tokenizer) tokenizer = load_tokenizer(test::test_data("text/" + name));
  return *tokenizer;
}

ChatTemplate golden_template(const Json& one, const char* twin) {
  return {golden()["templates"][one["template"]][twin].get<std::string>(), "chat_template.jinja",
          golden()["special"][one["tokenizer"]]};
}

MessagesSample conversation_of(const Json& row) { return std::get<MessagesSample>(parse_json_row(row.dump(), "d.jsonl:3", 0)); }

struct Seen {
  std::string text, mask;
  std::vector<int32_t> ids;
};

Seen seen(const Json& row, const ChatTemplate& chat, const Tokenizer& tokenizer) {
  const MessagesSample sample = conversation_of(row);
  const TurnText turns = write_turns(sample, chat, "d.jsonl:3", sample.add_generation_prompt);
  const Encoding encoding = tokenizer.encode(turns.text, /*add_special_tokens=*/false);
  Seen out{turns.text, "", encoding.ids};
  for (const bool inside : tokens_in_spans(encoding, turns)) out.mask += inside ? '1' : '0';
  return out;
}

std::string name_of(const Json& one) { return one["template"].get<std::string>() + ", " + one["row"].dump(); }

TEST(ConversationGoldens, TextIdsAndMarkedTurnsAreThoseOfTransformers) {
  ASSERT_GT(golden()["cases"].size(), 200u);
  for (const Json& one : golden()["cases"]) {
    const Seen ours = seen(one["row"], golden_template(one, "marked"), tokenizer_named(one["tokenizer"]));
    EXPECT_EQ(ours.text, one["text"]) << name_of(one);
    EXPECT_EQ(ours.ids, one["ids"].get<std::vector<int32_t>>()) << name_of(one);
    EXPECT_EQ(ours.mask, one["marked_mask"]) << name_of(one);
  }
}

TEST(ConversationGoldens, DifferencesOfPrefixesFindTheSameTurnsWithoutMarks) {
  for (const Json& one : golden()["cases"]) {
    if (!one.contains("plain_mask")) continue;
    const Seen ours = seen(one["row"], golden_template(one, "plain"), tokenizer_named(one["tokenizer"]));
    EXPECT_EQ(ours.text, one["text"]) << name_of(one);
    EXPECT_EQ(ours.mask, one["plain_mask"]) << name_of(one) << "\n" << one["text"];
  }
}

TEST(ConversationGoldens, WhatFollowsThePromptIsTheCompletion) {
  for (const Json& one : golden()["cases"]) {
    if (!one.contains("completion")) continue;
    for (const char* twin : {"plain", "marked"}) {
      const Seen ours = seen(one["completion"]["row"], golden_template(one, twin), tokenizer_named(one["tokenizer"]));
      EXPECT_EQ(ours.text, one["text"]) << name_of(one);
      EXPECT_EQ(ours.mask, one["completion"]["mask"]) << name_of(one);
    }
  }
}

// Conversations made of what could mislead: markers of templates, blanks, halves of tags, the same text again and again.
Json random_conversation(uint64_t key) {
  static const std::vector<std::string> kPieces = {"a",
                                                   "b",
                                                   " ",
                                                   "\n",
                                                   "\n\n",
                                                   "<|im_end|>\n",
                                                   "<|im_start|>assistant\n",
                                                   "<think>\n",
                                                   "</think>\n\n",
                                                   "<",
                                                   "[INST] ",
                                                   "x",
                                                   "</s>",
                                                   "<|Assistant|>",
                                                   "|>",
                                                   "\xEE\x9F\x80",
                                                   "\xF0\x9F\x98\x80",
                                                   "<think>",
                                                   "assistant",
                                                   "user\n"};
  uint64_t next = 0;
  const auto below = [&](size_t end) {
    return static_cast<size_t>(uniform(random_key({key}), next++) * static_cast<double>(end));
  };
  Json messages = Json::array();
  const size_t count = 2 * (1 + below(4));
  for (size_t i = 0; i < count; ++i) {
    std::string content;
    for (size_t n = below(5); n > 0; --n) content += kPieces[below(kPieces.size())];
    messages.push_back({{"role", i % 2 ? "assistant" : "user"}, {"content", content}});
  }
  return {{"messages", messages}};
}

TEST(ConversationGoldens, NoContentMovesATurnThatIsFoundWithoutMarks) {
  for (const auto& [name, twins] : golden()["templates"].items()) {
    if (name == "content_only") continue;
    const Json names = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
    const ChatTemplate marked(twins["marked"].get<std::string>(), "t", names),
        plain(twins["plain"].get<std::string>(), "t", names);
    int64_t refused = 0;
    for (uint64_t key = 0; key < 200; ++key) {
      const MessagesSample sample = conversation_of(random_conversation(key));
      // What the generation prompt says already is no part of the answer.
      if (name == "reasoner" && sample.messages.dump().find("\"assistant\",\"content\":\"<think>\\n") != std::string::npos)
        continue;
      const TurnText expected = write_turns(sample, marked, "d:1");
      try {
        EXPECT_EQ(write_turns(sample, plain, "d:1").spans, expected.spans) << name << ": " << sample.messages.dump();
      } catch (const InputError&) {
        ++refused;
      }
    }
    EXPECT_EQ(refused, 0) << name;
  }
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    EXPECT_FALSE(error.complaints().front().advice.empty());
    return error.what();
  }
  return "no error";
}

TEST(Conversation, ATurnWhosePlaceIsNotCertainIsRefusedWithItsLine) {
  ASSERT_GT(golden()["refused"].size(), 2u);
  for (const Json& one : golden()["refused"]) {
    const ChatTemplate chat(golden()["refusing_templates"][one["template"]].get<std::string>(), "t", Json::object());
    const std::string message = message_of([&] { write_turns(conversation_of(one["row"]), chat, "d.jsonl:3"); });
    EXPECT_THAT(message, AllOf(HasSubstr("d.jsonl:3"), HasSubstr("cannot be told for certain"), HasSubstr("{% generation %}"),
                               HasSubstr("assistant_only_loss: false")))
        << one["template"];
    EXPECT_FALSE(write_conversation(conversation_of(one["row"]), chat, "d.jsonl:3").empty()) << "the text needs no turns";
  }
}

constexpr const char* kLetters =
    "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('No tools here') }}{% endif %}"
    "{{ m.role[0] + m.content + ';' }}{% endfor %}{% if add_generation_prompt %}a{% endif %}";

Sample row(const std::string& line) { return parse_json_row(line, "d.jsonl:3", 0); }

ChatWords words_of(const std::string& source) {
  return {std::make_shared<const ChatTemplate>(source, "t.jinja", Json::object()), {}};
}

// The document as text, learned tokens in capitals ("ab" is one token).
std::string learned(const std::string& line, const DataRecipe& recipe = {}, const TaskRules& task = {},
                    const std::string& source = kLetters) {
  const ByteTokenizer tokenizer;
  const RenderRules rules = render_rules(recipe, &tokenizer, 301, task, words_of(source));
  std::string out;
  for (const Token token : render(row(line), rules, "d.jsonl:3").tokens) {
    const std::string letters = tokenizer.token_of(token.id()).value_or("");
    for (const char letter : letters)
      out += token.kept() ? static_cast<char>(std::toupper(static_cast<unsigned char>(letter))) : letter;
  }
  return out;
}

TEST(Conversation, OnlyTheAssistantIsLearnedAndNothingIsAddedToTheTemplate) {
  const std::string line =
      R"({"messages": [{"role": "user", "content": "c"}, {"role": "assistant", "content": "d"},
                       {"role": "user", "content": "e"}, {"role": "assistant", "content": "f"}]})";
  EXPECT_EQ(learned(line), "uc;aD;ue;aF;");
  DataRecipe recipe;
  recipe.assistant_only_loss = false;
  EXPECT_EQ(learned(line, recipe), "uC;AD;UE;AF;") << "all but the first token, which nothing predicts";
}

TEST(Conversation, ATokenThatReachesBackIntoAHeaderIsNotLearned) {
  EXPECT_EQ(learned(R"({"messages": [{"role": "user", "content": "c"}, {"role": "assistant", "content": "bd"}]})"), "uc;abD;");
}

TEST(Conversation, MarkedTokensAreLearnedEvenWhereTheyReachOutOfTheBlock) {
  const std::string source =
      "{% for m in messages %}{% if m.role == 'user' %}{{ m.content + 'a' }}{% else %}{% generation %}"
      "{{ m.content }}{% endgeneration %}{% endif %}{% endfor %}";
  EXPECT_EQ(
      learned(R"({"messages": [{"role": "user", "content": "c"}, {"role": "assistant", "content": "bd"}]})", {}, {}, source),
      "cABD");
}

TEST(Conversation, TrainingDoesNotReadAGenerationPrompt) {
  EXPECT_EQ(learned(R"({"messages": [{"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}],
                        "add_generation_prompt": true})"),
            "uc;aD;");
}

TEST(Conversation, EverySpellingOfAConversationIsWrittenTheSame) {
  const std::string expected = "sq;uc;aD;ue;aF;";
  for (const char* line : {
           R"({"conversations": [{"from": "system", "value": "q"}, {"from": "human", "value": "c"}, {"from": "gpt", "value": "d"},
                                 {"from": "user", "value": "e"}, {"from": "assistant", "value": "f"}]})",
           R"({"system": "q", "conversations": [{"from": "human", "value": "c"}, {"from": "gpt", "value": "d"},
                                                {"from": "human", "value": "e"}, {"from": "chatgpt", "value": "f"}]})",
           R"({"conversations": [{"role": "system", "content": "q"}, {"role": "user", "content": "c"},
                                 {"role": "assistant", "content": "d"}, {"role": "user", "content": "e"},
                                 {"role": "assistant", "content": "f"}], "tools": "", "messages": null})",
           R"({"system": "q", "history": [["c", "d"]], "instruction": "e", "input": "", "output": "f"})",
       })
    EXPECT_EQ(learned(line), expected) << line;
}

TEST(Conversation, AnInstructionAndItsInputAreOneQuestion) {
  EXPECT_EQ(learned(R"({"instruction": "c", "input": "e", "output": "d"})"), "uc\n\ne;aD;");
  EXPECT_EQ(learned(R"({"instruction": "", "input": "e", "output": "d"})"), "ue;aD;");
  EXPECT_EQ(learned(R"({"instruction": "c", "input": null, "output": "d"})"), "uc;aD;");
}

TEST(Conversation, ALonePromptBesideMessagesIsAFieldLikeOthers) {
  EXPECT_EQ(learned(R"({"prompt": "c", "prompt_id": "1", "messages": [{"role": "user", "content": "c"},
                                                                      {"role": "assistant", "content": "d"}]})"),
            "uc;aD;");
}

TEST(Conversation, ToolsAndVariablesReachTheTemplateAndNullsDoNot) {
  const std::string source =
      "{{ tools | length }}{{ tools[0].name }}{{ mood }}{% for m in messages %}{{ m | length }}{% endfor %}";
  for (const char* tools : {R"([{"name": "f", "x": null}])", R"("[{\"name\": \"f\", \"x\": null}]")"}) {
    const std::string line = std::string(R"({"chat_template_kwargs": {"mood": "good"}, "tools": )") + tools +
                             R"(, "messages": [{"role": "user", "content": "c", "tool_calls": null}]})";
    EXPECT_EQ(write_conversation(std::get<MessagesSample>(row(line)), *words_of(source).chat, "d:1"), "1fgood2") << tools;
  }
}

TEST(Conversation, AListOfTextPartsReachesTheTemplateAsItIs) {
  const std::string source =
      "{% for m in messages %}{{ m.role[0] }}{% for part in m.content %}{{ part.text }}{% endfor %};"
      "{% endfor %}{% if add_generation_prompt %}a{% endif %}";
  EXPECT_EQ(learned(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "c"}, {"type": "text", "text": "e"}]},
                                     {"role": "assistant", "content": [{"type": "text", "text": "d"}]}]})",
                    {}, {}, source),
            "uce;aD;");
}

TEST(Conversation, ATemplateThatRefusesIsQuotedWithTheRow) {
  const std::string line = R"({"messages": [{"role": "user", "content": "c"}, {"role": "tool", "content": "d"}]})";
  EXPECT_THAT(message_of([&] { learned(line); }), AllOf(HasSubstr("d.jsonl:3, t.jinja"), HasSubstr("No tools here")));
}

TEST(Conversation, WithoutATemplateTheRowIsRefusedWithWhatToWriteInstead) {
  const ByteTokenizer tokenizer;
  const RenderRules rules = render_rules({}, &tokenizer, 301);
  const auto refused = [&](const std::string& line) { return message_of([&] { render(row(line), rules, "d.jsonl:3"); }); };
  EXPECT_THAT(
      refused(R"({"messages": [{"role": "user", "content": "c"}]})"),
      AllOf(HasSubstr("d.jsonl:3: expected a chat template"), HasSubstr("data.chat_template"), HasSubstr("{\"text\": ...}")));
  EXPECT_THAT(refused(R"({"instruction": "c", "output": "d"})"), AllOf(HasSubstr("an instruction"), HasSubstr("\"completion\"")));
}

TEST(Conversation, ATemplateThatCannotBeUsedIsToldOnlyToWhoNeedsIt) {
  const ScratchFolder folder;
  const std::string file = folder.write("chat_template.jinja", "{% for m in messages %}");
  const std::filesystem::path path = std::filesystem::path(file).parent_path();
  const ChatWords words = chat_words(path);
  EXPECT_EQ(words.chat, nullptr);
  ASSERT_TRUE(words.problem);
  EXPECT_THROW(chat_words({}, file), InputError) << "it was asked for";
  const ByteTokenizer tokenizer;
  const RenderRules rules = render_rules({}, &tokenizer, 301, {}, words);
  EXPECT_EQ(render(TextSample{"c"}, rules, "d.jsonl:3").tokens.size(), 3u);
  const auto needs_it = [&] { render(row(R"({"messages": [{"role": "user", "content": "c"}]})"), rules, "d.jsonl:3"); };
  EXPECT_THAT(message_of(needs_it), AllOf(HasSubstr("d.jsonl:3, "), HasSubstr("chat_template.jinja")));
  EXPECT_EQ(chat_words({}).chat, nullptr);
}

TEST(Conversation, OtherTasksRefuseItByName) {
  for (const Targets targets : {Targets::masked_tokens, Targets::row_class, Targets::row_vector}) {
    TaskRules task;
    task.targets = targets;
    task.num_classes = 2;
    const auto refused = [&] { learned(R"({"messages": [{"role": "user", "content": "c"}]})", {}, task); };
    EXPECT_THAT(message_of(refused), AllOf(HasSubstr("d.jsonl:3"), HasSubstr("a conversation")));
  }
}

std::string refusal(const std::string& line) {
  return message_of([&] { row(line); });
}

TEST(ConversationRow, MalformedTurnsAreRefusedWithLineAndPlace) {
  EXPECT_THAT(refusal(R"({"messages": []})"), AllOf(HasSubstr("d.jsonl:3"), HasSubstr("an empty list")));
  EXPECT_THAT(refusal(R"({"messages": "hi"})"), HasSubstr("expected \"messages\" to be a list of messages, found \"hi\""));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user", "content": "a"}, "b"]})"), HasSubstr("message 2 of \"messages\""));
  EXPECT_THAT(refusal(R"({"messages": [{"content": "a"}]})"), HasSubstr("message 1 of \"messages\" to be {\"role\""));
  EXPECT_THAT(refusal(R"({"messages": [{"role": 5, "content": "a"}]})"), HasSubstr("message 1"));
  EXPECT_THAT(refusal(R"({"messages": [{"from": "human", "value": "a"}]})"), HasSubstr("Name the field \"conversations\""));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user", "content": [{"type": "image"}]}]})"),
              HasSubstr("a part of type \"image\""));
  EXPECT_THAT(refusal(R"({"conversations": []})"), HasSubstr("an empty list"));
  EXPECT_THAT(refusal(R"({"conversations": [{"from": "alien", "value": "a"}]})"),
              AllOf(HasSubstr("found \"alien\""), HasSubstr("which takes any role")));
  EXPECT_THAT(refusal(R"({"conversations": [{"from": "human"}]})"), HasSubstr("{\"from\": ..., \"value\": ...}"));
  EXPECT_THAT(refusal(R"({"conversations": [{"from": "human", "value": ["a"]}]})"), HasSubstr("both texts"));
  EXPECT_THAT(refusal(R"({"conversations": [{"from": "system", "value": "a"}], "system": "b"})"), HasSubstr("one system prompt"));
}

TEST(ConversationRow, MalformedFieldsBesideTheTurnsAreRefused) {
  const auto with = [](const std::string& field) {
    return refusal(R"({"messages": [{"role": "user", "content": "a"}], )" + field + "}");
  };
  EXPECT_THAT(with(R"("tools": {"name": "f"})"), HasSubstr("\"tools\" to be a list"));
  EXPECT_THAT(with(R"("tools": "[1")"), AllOf(HasSubstr("d.jsonl:3, \"tools\""), HasSubstr("JSON")));
  EXPECT_THAT(with(R"("tools": ["f"])"), HasSubstr("every tool to be an object, found \"f\""));
  EXPECT_THAT(with(R"("chat_template_kwargs": [1])"), HasSubstr("\"chat_template_kwargs\" to be an object"));
  EXPECT_THAT(with(R"("chat_template_kwargs": {"messages": []})"), HasSubstr("Move it out"));
  EXPECT_THAT(with(R"("add_generation_prompt": 1)"), HasSubstr("true or false, found 1"));
}

TEST(ConversationRow, InstructionsArePairsOfTexts) {
  EXPECT_THAT(refusal(R"({"instruction": "a"})"), HasSubstr("no \"output\""));
  EXPECT_THAT(refusal(R"({"instruction": 5, "output": "b"})"), HasSubstr("\"instruction\" to be a text, found 5"));
  EXPECT_THAT(refusal(R"({"instruction": "a", "output": "b", "history": ["c"]})"), HasSubstr("[instruction, output]"));
  EXPECT_THAT(refusal(R"({"output": "b"})"), HasSubstr("only \"output\""));
}

TEST(ConversationRow, RowsOfTwoKindsAreRefused) {
  const std::string messages = R"("messages": [{"role": "user", "content": "a"}])";
  EXPECT_THAT(refusal("{\"text\": \"a\", " + messages + "}"), HasSubstr("\"text\" and \"messages\" in one row"));
  EXPECT_THAT(refusal("{\"conversations\": [], " + messages + "}"), HasSubstr("\"messages\" and \"conversations\" in one row"));
  EXPECT_THAT(refusal("{\"prompt\": \"a\", \"completion\": \"b\", " + messages + "}"), HasSubstr("\"prompt\" and \"messages\""));
  EXPECT_THAT(refusal(R"({"text": "a", "instruction": "b", "output": "c"})"), HasSubstr("\"text\" and \"instruction\""));
}

TEST(ConversationRow, PromptAndCompletionAreSpelledTheSameWay) {
  const std::string prompt = R"("prompt": [{"role": "user", "content": "a"}])";
  EXPECT_THAT(refusal("{" + prompt + ", \"completion\": \"b\"}"), HasSubstr("two texts or two lists of messages"));
  EXPECT_THAT(refusal("{" + prompt + ", \"completion\": []}"), HasSubstr("at least one message in \"completion\""));
  EXPECT_THAT(refusal("{" + prompt + "}"), HasSubstr("no \"completion\""));
}

}  // namespace
}  // namespace distill
