// Templates against the goldens of scripts/goldens/make_chat.py, what is refused, and the limits.
#include "distill/text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "distill/core/error.h"

#include "paths.h"
#include "text/golden_files.h"

namespace distill::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Json golden(const char* name) { return read_json_file((test::test_data("chat") / name).string()); }
Json say(const char* text) { return Json::array({{{"role", "user"}, {"content", text}}}); }

std::string render(const std::string& source, const Json& variables = nullptr) {
  const ChatTemplate chat(source, "chat_template.jinja", Json{{"bos_token", "<s>"}});
  return chat.render({say("Hi"), nullptr, false, variables}).text;
}

// The complaint of loading or rendering, or "" when all is well.
std::string complaint_of(const std::string& source) {
  try {
    render(source);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(ChatTemplateGolden, RendersConversationsByteForByteAndFindsTheGeneratedRanges) {
  const Json all = golden("rendered.json");
  ASSERT_GE(all["cases"].size(), 300U);
  for (const Json& one : all["cases"]) {
    const std::string name = one["template"].get<std::string>() + " of " + one["conversation"].get<std::string>();
    const Json& conversation = all["conversations"][one["conversation"].get<std::string>()];
    const ChatTemplate chat(all["templates"][one["template"].get<std::string>()].get<std::string>(), name, all["names"]);
    const ChatRequest request{conversation["messages"], conversation.value("tools", Json()), one["prompt"].get<bool>(), nullptr};
    if (!one.contains("text")) {
      EXPECT_THROW(chat.render(request), InputError) << name;
      continue;
    }
    const ChatText text = chat.render(request);
    EXPECT_EQ(text.text, one["text"].get<std::string>()) << name;
    EXPECT_EQ(Json(text.generated), one.value("generated", Json::array())) << name;
  }
}

TEST(ChatTemplateGolden, GivesTheWordsOfATemplateThatRefuses) {
  const Json all = golden("rendered.json");
  const ChatTemplate chat(all["templates"]["turns"].get<std::string>(), "here", all["names"]);
  try {
    chat.render({all["conversations"]["twice"]["messages"], nullptr, false, nullptr});
    FAIL() << "two users in a row were taken";
  } catch (const InputError& error) {
    EXPECT_EQ(error.complaints()[0].found, "Roles must take turns");
    EXPECT_EQ(error.complaints()[0].where, "here, line 1");
  }
}

TEST(ChatTemplateGolden, AgreesOnSnippetsWithTheirTextOrTheirFailure) {
  const Json all = golden("snippets.json");
  ASSERT_GE(all["cases"].size(), 1500U);
  for (const Json& one : all["cases"]) {
    const auto source = one[0].get<std::string>();
    std::optional<std::string> text;
    try {
      const ChatTemplate chat(source, "snippet", Json{{"bos_token", "<s>"}, {"eos_token", "</s>"}});
      text = chat.render({all["messages"], nullptr, false, all["variables"]}).text;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("snippet, line ")) << source;
      EXPECT_TRUE(one[1].is_null()) << source << "\n" << error.what();
    }
    if (!one[1].is_null()) EXPECT_EQ(text, one[1].get<std::string>()) << source;
    if (one[1].is_null()) EXPECT_FALSE(text) << source;
  }
}

TEST(ChatTemplateRefusal, NamesWhatIsNotAvailableWithItsLineWhenLoading) {
  const std::vector<std::pair<std::string, std::string>> refused = {{"a\n{% include 'x' %}", "\"include\""},
                                                                    {"a\n{% extends 'x' %}", "\"extends\""},
                                                                    {"a\n{% do x() %}", "\"do\""},
                                                                    {"a\n{% block b %}{% endblock %}", "\"block\""},
                                                                    {"a\n{{ x|urlize }}", "\"urlize\""},
                                                                    {"a\n{{ x|sorcery }}", "\"sorcery\""},
                                                                    {"a\n{{ x is sorcery }}", "\"sorcery\""},
                                                                    {"a\n{% sorcery %}", "\"sorcery\""},
                                                                    {"a\n{{ x ! y }}", "\"!\""},
                                                                    {"a\n{% if x %}", "endif"},
                                                                    {"a\n{{ 99999999999999999999 }}", "64 bits"}};
  for (const auto& [source, name] : refused)
    EXPECT_THAT(complaint_of(source), AllOf(HasSubstr("chat_template.jinja, line 2"), HasSubstr(name))) << source;
}

TEST(ChatTemplateRefusal, NamesWhatIsNotAvailableWhenItIsReached) {
  EXPECT_THAT(complaint_of("\n{{ 'a'.casefold() }}"), AllOf(HasSubstr("line 2"), HasSubstr("\"casefold\"")));
  EXPECT_THAT(complaint_of("{{ lipsum() }}"), HasSubstr("\"lipsum\""));
  EXPECT_THAT(complaint_of("{{ '{:>5}'.format(1) }}"), HasSubstr("{:>5}"));
  EXPECT_THAT(complaint_of("{% if true %}{{ 1|sorcery }}{% endif %}"), HasSubstr("\"sorcery\""));
  EXPECT_EQ(render("{% if false %}{{ 1|sorcery }}{% endif %}x"), "x");
  EXPECT_THAT(complaint_of("{{ 9223372036854775807 + 1 }}"), HasSubstr("64 bits"));
}

// Each is refused within moments, with the line and what was met.
TEST(ChatTemplateLimits, EndWhatATemplateOfAStrangerMayTry) {
  const std::string deep(5000, '(');
  std::string sum = "{{ 1", ifs, not_not = "{{ ";
  for (int i = 0; i < 5000; ++i) {
    sum += " + 1";
    ifs += "{% if true %}";
    not_not += "not ";
  }
  const std::vector<std::pair<std::string, std::string>> hostile = {
      {"{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "steps"},
      {"{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}", "steps"},
      {"{{ range(1000000000000) }}", "range"},
      {"{{ range(-9223372036854775807, 9223372036854775807) }}", "range"},
      {"{{ " + deep, "nested"},
      {"{{ " + std::string(5000, '['), "nested"},
      {"{{ " + std::string(5000, '-') + "1 }}", "nested"},
      {sum + " }}", "levels"},
      {ifs, "nested"},
      {not_not + "1 }}", "nested"},
      {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested"},
      {"{% macro m(f) %}{{ f(f) }}{% endmacro %}{{ m(m) }}", "nested"},
      {"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "nested"},
      {"{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}", "nested"},
      {"{% set ns = namespace(l={}) %}{% for i in range(99999) %}{% set ns.l = {1: ns.l} %}{% endfor %}", "nested"},
      {"{% set ns = namespace() %}{% set ns.ns = ns %}{{ ns }}", "nested"},
      {"{{ 'a' * 99999999999 }}", "64 MiB"},
      {"{{ [1] * 99999999999 }}", "64 MiB"},
      {"{{ 'a' * 268435455 }}", ""},
      {"{% set ns = namespace(s='abcdefgh') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", ""},
      {"{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}", ""},
      {"{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}", ""},
      {"{% for i in range(99999) %}{{ 'a'.center(100000) }}{% endfor %}", ""},
      {"{{ 'a'.zfill(99999999999) }}", "16 MiB"},
      {"{{ '%99999999d' % 1 }}", "10000"},
      {"{{ 'a'|indent(99999999) }}", "10000"},
      {"{{ [[1]]|tojson(indent=99999999) }}", "1000"},
      {"{% set x = 'ab' * 1000000 %}{% for i in range(99999) %}{{ 'c' in x }}{% endfor %}", "steps"},
      {"{% set x = 'ab' * 1000000 %}{% for i in range(99999) %}{% set y = x == x ~ '' %}{% endfor %}", ""},
      {"{% set x = 'a' * 100000 %}{{ x.replace('', x) }}", "64 MiB"},
      {"{{ ('a' * 100000).join('b' * 100000) }}", "64 MiB"},
      {"{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"},
      {"{{ messages.__class__.__base__ }}", "unsafe"},
      {"{{ (messages|attr('__class__')).x }}", "unsafe"},
      {"{{ messages.append(1) }}", "unsafe"},
      {"{% set ns = namespace() %}{{ ns.__init__.__globals__ }}", ""},
      {"{{ raise_exception.__globals__.os }}", ""},
      {"{% macro m() %}{% endmacro %}{{ m.__func__.x }}", ""},
      {"{% for x in messages", ""},
      {"{{ messages", ""},
      {"{# ", "#}"},
      {"{% raw %}", "endraw"},
      {"{{ 2 ** 99999999 }}", "64 bits"},
      {"{{ 2.0 ** 99999999 }}", "too large"},
      {"{{ (-9223372036854775807 - 1) // -1 }}", "64 bits"},
      {"{{ -(-9223372036854775807 - 1) }}", "64 bits"},
      {"{{ 1e300|int }}", "64 bits"},
      {"{{ 'abc'[::-9223372036854775807 - 1] }}", "c"},
      {std::string("{{ '\xFF' }}"), "UTF-8"},
      {std::string((size_t{1} << 20) + 1, 'a'), "1 MiB"}};
  for (const auto& [source, found] : hostile) {
    const auto start = std::chrono::steady_clock::now();
    std::string complaint = complaint_of(source);
    if (source.find("abc'[::") != std::string::npos) complaint = render(source);
    EXPECT_NE(complaint, "") << source.substr(0, 200);
    EXPECT_THAT(complaint, HasSubstr(found)) << source.substr(0, 200);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << source.substr(0, 200);
  }
}

TEST(ChatTemplateLimits, LeaveNothingBehindWhenMacrosAndNamespacesHoldEachOther) {
  const std::string source =
      "{% macro outer(previous) %}{% macro inner() %}{{ previous }}{% endmacro %}{% set ns.m = inner %}{% endmacro %}"
      "{% set ns = namespace(m=none) %}{% for i in range(20000) %}{% set _ = outer(ns.m) %}{% endfor %}done";
  EXPECT_EQ(render("{% set ns = namespace(m=none) %}" + source), "done");
  EXPECT_EQ(render("{% set ns = namespace(head=namespace()) %}{% for i in range(20000) %}{% set new = namespace() %}"
                   "{% set old = ns.head %}{% set old.next = new %}{% set ns.head = new %}{% endfor %}done"),
            "done");
}

TEST(ChatTemplateLimits, RefuseEveryCutOfATemplateOrRenderIt) {
  const std::string source = golden("rendered.json")["templates"]["header_ids_tools"].get<std::string>();
  int num_refused = 0;
  for (size_t size = 0; size < source.size(); size += 7) num_refused += !complaint_of(source.substr(0, size)).empty();
  EXPECT_GT(num_refused, 100);
}

TEST(ChatTemplate, SaysWhetherItMarksWhatWasGenerated) {
  EXPECT_TRUE(ChatTemplate("{% generation %}x{% endgeneration %}", "here", nullptr).marks_generation());
  EXPECT_FALSE(ChatTemplate("{# {% generation %} #}", "here", nullptr).marks_generation());
}

TEST(ChatTemplate, CountsTheGeneratedRangesInBytes) {
  const ChatTemplate chat("é{% generation %}ü{{ messages[0].content }}{% endgeneration %}x{% generation %}y{% endgeneration %}",
                          "here", nullptr);
  const ChatText text = chat.render({say("ß"), nullptr, false, nullptr});
  EXPECT_EQ(text.text, "éüßxy");
  EXPECT_EQ(text.generated, (std::vector<std::pair<size_t, size_t>>{{2, 6}, {7, 8}}));
}

TEST(ChatTemplate, RefusesAConversationThatIsNone) {
  const ChatTemplate chat("x", "here", nullptr);
  EXPECT_THROW(chat.render({Json::array(), nullptr, false, nullptr}), InputError);
  EXPECT_THROW(chat.render({Json::array({"text"}), nullptr, false, nullptr}), InputError);
  EXPECT_THROW(chat.render({"text", nullptr, false, nullptr}), InputError);
}

TEST(ChatTemplate, HasAFingerprintOfItsSourceAndItsNames) {
  const auto fingerprint = [](const char* source, const char* bos) {
    return ChatTemplate(source, "here", Json{{"bos_token", bos}}).fingerprint();
  };
  EXPECT_EQ(fingerprint("a", "b"), fingerprint("a", "b"));
  EXPECT_NE(fingerprint("a", "b"), fingerprint("b", "b"));
  EXPECT_NE(fingerprint("a", "b"), fingerprint("a", "c"));
}

std::string loaded(const TemporaryFolder& folder, const Json& tools = nullptr) {
  const std::optional<ChatTemplate> chat = load_chat_template(folder.path());
  return chat ? chat->render({say("Hi"), tools, false, nullptr}).text : "none";
}

TEST(ChatTemplateFolder, IsSearchedInTheOrderOfTransformers) {
  const TemporaryFolder folder;
  EXPECT_EQ(loaded(folder), "none");
  folder.write("chat_template.json", R"({"chat_template": "from chat_template.json"})");
  EXPECT_EQ(loaded(folder), "from chat_template.json");
  folder.write("tokenizer_config.json",
               R"({"chat_template": "from the config {{ bos_token }}", "bos_token": {"content": "<b>"}})");
  EXPECT_EQ(loaded(folder), "from the config <b>");
  folder.write("chat_template.jinja", "from its file {{ bos_token }}\n");
  EXPECT_EQ(loaded(folder), "from its file <b>");
}

TEST(ChatTemplateFolder, HasATemplateOfItsOwnForTools) {
  const TemporaryFolder folder;
  folder.write("tokenizer_config.json",
               R"({"chat_template": [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}]})");
  EXPECT_EQ(loaded(folder), "plain");
  EXPECT_EQ(loaded(folder, Json::array()), "tools");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "x"}]})");
  EXPECT_THROW(loaded(folder), InputError);
}

TEST(ChatTemplateFolder, TakesTheSpecialTokensOfTheMapOnlyWhereTheConfigListsNoAddedTokens) {
  const TemporaryFolder folder;
  folder.write("chat_template.jinja", "{{ bos_token }}|{{ eos_token }}|{{ image_token }}");
  folder.write("special_tokens_map.json", R"({"bos_token": "<map>", "eos_token": {"content": "</map>"}})");
  EXPECT_EQ(loaded(folder), "<map>|</map>|");
  folder.write("tokenizer_config.json",
               R"({"added_tokens_decoder": {}, "bos_token": "<c>", "eos_token": null, "image_token": "<i>"})");
  EXPECT_EQ(loaded(folder), "<c>||<i>");
}

TEST(ChatTemplateFolder, NamesTheFileAndTheMemberOfABrokenTemplate) {
  const TemporaryFolder folder;
  folder.write("tokenizer_config.json", R"({"chat_template": "a\n{% if %}"})");
  EXPECT_THROW(
      try { loaded(folder); } catch (const InputError& error) {
        EXPECT_THAT(error.what(), AllOf(HasSubstr("tokenizer_config.json: chat_template, line 2")));
        throw;
      },
      InputError);
  folder.write("tokenizer_config.json", R"({"chat_template": 7})");
  EXPECT_THROW(loaded(folder), InputError);
}

}  // namespace
}  // namespace distill::testing
