// Rows that are read, and rows that are refused with their file and line.
#include "distill/data/sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "data/byte_tokenizer.h"

namespace distill {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string refusal(const std::string& line) {
  return message_of([&] { parse_json_row(line, "d.jsonl:3", 100); });
}

TEST(JsonRow, ReadsTheThreeKinds) {
  EXPECT_EQ(std::get<TextSample>(parse_json_row(R"({"text": "h\u00e9"})", "d:1", 0)).text, "h\xc3\xa9");
  const auto completion = std::get<CompletionSample>(parse_json_row(R"({"prompt": "a", "completion": ""})", "d:1", 0));
  EXPECT_EQ(completion.prompt, "a");
  EXPECT_EQ(completion.completion, "");
  const auto ids = std::get<IdsSample>(parse_json_row(R"({"input_ids": [0, 99], "labels": [-100, 7]})", "d:1", 100));
  EXPECT_THAT(ids.ids, ElementsAre(0, 99));
  EXPECT_THAT(ids.labels, ElementsAre(-100, 7));
  EXPECT_THAT(std::get<IdsSample>(parse_json_row(R"({"input_ids": []})", "d:1", 100)).ids, IsEmpty());
}

TEST(JsonRow, IgnoresOtherFieldsAndNulls) {
  const Sample sample = parse_json_row(R"({"id": 5, "text": "a", "prompt": null, "labels": null, "meta": {"x": [1]}})", "d:1", 0);
  EXPECT_EQ(std::get<TextSample>(sample).text, "a");
}

TEST(JsonRow, BrokenJsonNamesFileLineAndColumn) {
  EXPECT_THAT(refusal(R"({"text": "a)"), AllOf(HasSubstr("d.jsonl:3:"), HasSubstr("valid JSON")));
  EXPECT_THAT(refusal("{\"text\": \"\xff\"}"), AllOf(HasSubstr("d.jsonl:3:"), HasSubstr("UTF-8")));
  EXPECT_THAT(refusal(R"({"text": "a", "text": "b"})"), AllOf(HasSubstr("d.jsonl:3: "), HasSubstr("twice")));
  EXPECT_THAT(refusal(""), AllOf(HasSubstr("d.jsonl:3: "), HasSubstr("an empty line")));
}

TEST(JsonRow, AJsonArrayIsRecognisedAndTheConversionNamed) {
  EXPECT_THAT(refusal("["), AllOf(HasSubstr("d.jsonl:3"), HasSubstr("jq -c '.[]'")));
  EXPECT_THAT(refusal(R"([{"text": "a"}])"), HasSubstr("jq -c '.[]'"));
  EXPECT_THAT(refusal("12"), HasSubstr("expected one JSON object on every line, found 12"));
}

TEST(JsonRow, ARowOfNoKnownFieldNamesItsFieldsAndTheNearestWord) {
  EXPECT_THAT(refusal(R"({"txt": "a", "n": 1})"),
              AllOf(HasSubstr("only \"txt\", \"n\""), HasSubstr("Rename \"txt\" to \"text\"")));
  EXPECT_THAT(refusal("{}"), HasSubstr("an empty object"));
  EXPECT_THAT(refusal(R"({"text": null})"), HasSubstr("\"text\" (null)"));
}

TEST(JsonRow, ARowOfTwoKindsIsRefused) {
  EXPECT_THAT(refusal(R"({"input_ids": [1], "text": "a"})"), HasSubstr("\"text\" and \"input_ids\" in one row"));
  EXPECT_THAT(refusal(R"({"text": "a", "prompt": "b"})"), HasSubstr("\"text\" and \"prompt\" in one row"));
  EXPECT_THAT(refusal(R"({"text": "a", "labels": [1]})"), HasSubstr("\"text\" and \"labels\" in one row"));
}

Sample class_row(const std::string& line) { return parse_json_row(line, "d.jsonl:3", 100, 4); }

TEST(JsonRow, AClassifiersRowHasOneClassUnderEitherName) {
  EXPECT_EQ(std::get<TextSample>(class_row(R"({"text": "a", "label": 3})")).row_class, 3);
  EXPECT_EQ(std::get<TextSample>(class_row(R"({"text": "a", "labels": 0})")).row_class, 0);
  EXPECT_EQ(std::get<IdsSample>(class_row(R"({"input_ids": [5], "label": 1})")).row_class, 1);
  const auto ids = std::get<IdsSample>(class_row(R"({"input_ids": [5, 6], "labels": 2})"));
  EXPECT_EQ(ids.row_class, 2);
  EXPECT_THAT(ids.labels, IsEmpty());
  for (const char* line : {R"({"text": "a"})", R"({"text": "a", "label": null})", R"({"text": "a", "label": -100})"})
    EXPECT_EQ(std::get<TextSample>(class_row(line)).row_class, std::nullopt) << line;
}

TEST(JsonRow, ClassesThatTheModelLacksAreRefusedWithTheirLine) {
  const auto refused = [](const std::string& line) { return message_of([&] { class_row(line); }); };
  EXPECT_THAT(refused(R"({"text": "a", "label": 4})"), AllOf(HasSubstr("d.jsonl:3"), HasSubstr("0 to 3"), HasSubstr("found 4")));
  EXPECT_THAT(refused(R"({"text": "a", "label": -1})"), HasSubstr("found -1"));
  EXPECT_THAT(refused(R"({"text": "a", "label": 18446744073709551615})"), HasSubstr("found 18446744073709551615"));
  EXPECT_THAT(refused(R"({"text": "a", "label": "good"})"), AllOf(HasSubstr("found \"good\""), HasSubstr("id2label")));
  EXPECT_THAT(refused(R"({"text": "a", "label": 1.5})"), HasSubstr("found 1.5"));
  EXPECT_THAT(refused(R"({"text": "a", "label": true})"), HasSubstr("found true"));
  EXPECT_THAT(refused(R"({"input_ids": [1], "labels": [1]})"), HasSubstr("\"labels\" to be a class"));
  EXPECT_THAT(refused(R"({"text": "a", "label": 1, "labels": 1})"), HasSubstr("\"label\" and \"labels\" in one row"));
  EXPECT_THAT(refused(R"({"label": 1})"), HasSubstr("only \"label\""));
}

TEST(JsonRow, WithoutAClassifierALabelIsAFieldLikeOthers) {
  const auto text = std::get<TextSample>(parse_json_row(R"({"text": "a", "label": "any"})", "d:1", 0));
  EXPECT_EQ(text.text, "a");
  EXPECT_EQ(text.row_class, std::nullopt);
}

TEST(JsonRow, WrongTypesAreRefused) {
  EXPECT_THAT(refusal(R"({"text": 5})"), HasSubstr("expected \"text\" to be a string, found 5"));
  EXPECT_THAT(refusal(R"({"prompt": "a"})"), HasSubstr("no \"completion\""));
  EXPECT_THAT(refusal(R"({"completion": "a"})"), HasSubstr("no \"prompt\""));
  EXPECT_THAT(refusal(R"({"input_ids": "1 2"})"), HasSubstr("a list of integers"));
  EXPECT_THAT(refusal(R"({"input_ids": [1, 2.5]})"), HasSubstr("to hold integers, found 2.5"));
  EXPECT_THAT(refusal(R"({"input_ids": [1, 2.0]})"), HasSubstr("to hold integers, found 2.0"));
  EXPECT_THAT(refusal(R"({"input_ids": [true]})"), HasSubstr("to hold integers, found true"));
  EXPECT_THAT(refusal(R"({"input_ids": [[1, 2]]})"), HasSubstr("to hold integers, found [1,2]"));
}

TEST(JsonRow, IdsAndLabelsOutsideTheVocabularyAreRefused) {
  EXPECT_THAT(refusal(R"({"input_ids": [1, 100]})"),
              AllOf(HasSubstr("d.jsonl:3"), HasSubstr("0 to 99"), HasSubstr("100 at index 1")));
  EXPECT_THAT(refusal(R"({"input_ids": [-1]})"), HasSubstr("-1 at index 0"));
  EXPECT_THAT(refusal(R"({"input_ids": [-100]})"), HasSubstr("-100 at index 0"));
  EXPECT_THAT(refusal(R"({"input_ids": [18446744073709551615]})"), HasSubstr("18446744073709551615 at index 0"));
  EXPECT_THAT(refusal(R"({"input_ids": [1], "labels": [100]})"), HasSubstr("or -100 (ignored), found 100"));
  EXPECT_THAT(refusal(R"({"input_ids": [1], "labels": [-1]})"), HasSubstr("-1 at index 0"));
}

TEST(JsonRow, LabelsMustBeAlignedWithTheirIds) {
  EXPECT_THAT(refusal(R"({"input_ids": [1, 2], "labels": [1]})"), HasSubstr("as many labels as input_ids (2), found 1 labels"));
  EXPECT_THAT(refusal(R"({"labels": [1]})"), HasSubstr("\"labels\" alone"));
}

TEST(JsonRow, ALongValueIsShownShortAndInWholeCharacters) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "\xc3\xa9";
  const std::string found = refusal("{\"input_ids\": \"" + text + "\"}");
  EXPECT_THAT(found, HasSubstr("\xc3\xa9..."));
  EXPECT_EQ(found.find("\xc3..."), std::string::npos);
}

TEST(TextRow, BytesThatAreNotUtf8AreRefusedWithTheirColumn) {
  const auto refused = [](const std::string& line) { return message_of([&] { parse_text_row(line, "d.txt:3"); }); };
  EXPECT_THAT(refused("ab\xff"), HasSubstr("d.txt:3:3: expected UTF-8"));
  EXPECT_THAT(refused("\xc0\xaf"), HasSubstr("d.txt:3:1"));          // overlong
  EXPECT_THAT(refused("\xe0\x80\xaf"), HasSubstr("d.txt:3:1"));      // overlong
  EXPECT_THAT(refused("\xed\xa0\x80"), HasSubstr("d.txt:3:1"));      // surrogate
  EXPECT_THAT(refused("\xf4\x90\x80\x80"), HasSubstr("d.txt:3:1"));  // beyond U+10FFFF
  EXPECT_THAT(refused("a\xe2\x82"), HasSubstr("d.txt:3:2"));         // cut
  const std::string good = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  EXPECT_EQ(std::get<TextSample>(parse_text_row(good, "d.txt:3")).text, good);
}

LineReader reader_of(const std::string& text, size_t step) {
  return {"d", [text, step, at = size_t{0}](char* into, size_t count) mutable {
            const size_t taken = std::min({count, step, text.size() - at});
            text.copy(into, taken, at);
            at += taken;
            return taken;
          }};
}

std::vector<std::string> numbered(LineReader reader, bool rows) {
  std::vector<std::string> all;
  for (Line line; rows ? reader.next_row(line) : reader.next(line);) all.push_back(std::to_string(line.number) + line.text);
  return all;
}

TEST(Lines, AreTheSameHoweverTheBytesArrive) {
  const std::string text = "\xEF\xBB\xBFone\r\ntwo\n\nfour";
  for (const size_t step : {1, 2, 3, 100})
    EXPECT_THAT(numbered(reader_of(text, step), false), ElementsAre("1one", "2two", "3", "4four")) << step;
  EXPECT_THAT(numbered(reader_of("", 1), false), IsEmpty());
  EXPECT_THAT(numbered(reader_of("a\n", 1), false), ElementsAre("1a"));
}

TEST(Lines, BlankOnesCountOnlyInsideTheInput) {
  EXPECT_THAT(numbered(reader_of("a\n\n \nb\n\n\n", 3), true), ElementsAre("1a", "2", "4b"));
}

}  // namespace
}  // namespace distill
