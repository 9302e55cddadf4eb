#include "distill/core/json_reader.h"

#include <gtest/gtest.h>

#include "distill/core/error.h"

namespace distill {
namespace {

std::string complaint(const std::string& text) {
  try {
    parse_json(text, "file.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(JsonReader, KeepsEveryKindOfValueAndTheOrderOfKeys) {
  const std::string text =
      R"({"z":[1,-2,3.5,null,true,"a\u00e9\n"],"a":{"empty":{},"list":[[],[{}]]},"big":18446744073709551615})";
  const Json json = parse_json(text, "file.json");
  EXPECT_EQ(json, Json::parse(text));
  EXPECT_EQ(json.dump(), Json::parse(text).dump());
  EXPECT_TRUE(json["big"].is_number_unsigned());
}

TEST(JsonReader, RefusesWhatIsNotOneWholeDocument) {
  for (const std::string& text :
       {std::string(""), std::string("{"), std::string("[1,2"), std::string("{} {}"), std::string("{'a':1}"), std::string("[1,]"),
        std::string("{}\0x", 4), std::string("\"\xff\""), std::string("nan"), std::string("1e999")})
    EXPECT_NE(complaint(text).find("expected valid JSON"), std::string::npos) << text;
}

TEST(JsonReader, NamesTheLineAndColumnOfAMistake) {
  EXPECT_NE(complaint("{\n \"a\": 1,\n \"b\" 2}").find("file.json:3:"), std::string::npos);
}

TEST(JsonReader, RefusesDuplicateKeysAtEveryDepth) {
  EXPECT_NE(complaint(R"({"a":1,"a":2})").find("the key \"a\" twice"), std::string::npos);
  EXPECT_NE(complaint(R"([{"x":{"b":1,"b":1}}])").find("the key \"b\" twice"), std::string::npos);
  EXPECT_EQ(complaint(R"({"a":{"a":1},"b":{"a":1}})"), "");
}

TEST(JsonReader, LimitsTheDepth) {
  EXPECT_EQ(complaint(std::string(128, '[') + std::string(128, ']')), "");
  EXPECT_NE(complaint(std::string(129, '[') + std::string(129, ']')).find("128"), std::string::npos);
}

// They end in the library's own words when they are short.
TEST(JsonReader, LongTokensThatBreakAreToldOfWithTheirPlace) {
  const std::string filler(100'000, 'a');
  const std::vector<std::pair<std::string, std::string>> ends = {
      {"", "closing quote"},      {"\t\"", "control character"}, {"\\q\"", "backslash"},
      {"\\", "backslash"},        {"\\u12g4\"", "backslash"},    {"\\u12", "backslash"},
      {"\\ud800\"", "backslash"}, {"\\udc00\"", "backslash"},    {"\\ud800\\u0041\"", "backslash"},
      {"\xff\"", "UTF-8"},        {"\xed\xa0\x80\"", "UTF-8"}};
  for (const auto& [end, reason] : ends) {
    EXPECT_NE(complaint("\"a" + end).find("file.json:1:"), std::string::npos) << end;
    const std::string said = complaint("{\n \"" + filler + end);
    EXPECT_NE(said.find("file.json:2:100003: expected valid JSON"), std::string::npos) << said;
    EXPECT_NE(said.find(reason), std::string::npos) << said;
  }
  const std::string digits(100'000, '7');
  EXPECT_NE(complaint("[1, " + digits + "]").find("file.json:1:5: expected valid JSON, found a number of 100000"),
            std::string::npos);
  EXPECT_NE(complaint("[1,, " + digits + "]").find("file.json:1:4:"), std::string::npos);
  EXPECT_NE(complaint("[x, \"" + filler).find("file.json:1:2:"), std::string::npos);
}

TEST(JsonReader, LongTokensThatAreSoundAreReadAsTheLibraryReadsThem) {
  std::string text = "[\"";
  for (int i = 0; i < 20'000; ++i) text += R"(\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é😀)";
  text += "\", -1.25e+3, " + std::string(4000, '1') + "e-3900]";
  EXPECT_EQ(complaint(text), "");
  EXPECT_EQ(parse_json(text, "file.json"), Json::parse(text));
}

}  // namespace
}  // namespace distill
