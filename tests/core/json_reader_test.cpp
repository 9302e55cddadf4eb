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

}  // namespace
}  // namespace distill
