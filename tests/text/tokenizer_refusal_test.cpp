// What load_tokenizer() refuses, by name, and what encode() refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "distill/core/error.h"

#include "text/golden_files.h"

namespace distill::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(TokenizerFile, LoadsTheSmallFileThatTheOtherTestsSpoil) {
  EXPECT_EQ(complaint_about("/version", "\"1.0\""), "");
  EXPECT_EQ(small_tokenizer({})->encode("abc d", true).ids, (std::vector<int32_t>{6, 4, 5}));
}

TEST(TokenizerFile, RefusesComponentsThatAreNotAvailableYetByName) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> components = {
      {"/model/type", {"Sorcery"}},
      {"/normalizer/type", {"Sorcery"}},
      {"/normalizer/normalizers/0/type", {"Sorcery"}},
      {"/pre_tokenizer/type", {"Sorcery"}},
      {"/post_processor/type", {"Sorcery"}},
      {"/decoder/type", {"Sorcery"}}};
  for (const auto& [pointer, names] : components) {
    for (const std::string& name : names) {
      const std::string member = pointer.substr(1, pointer.find('/', 1) - 1);
      EXPECT_THAT(complaint_about(pointer, "\"" + name + "\""),
                  AllOf(HasSubstr(member), HasSubstr("\"" + name + "\""), HasSubstr("is not available yet")));
    }
  }
}

TEST(TokenizerFile, RefusesMergeDropoutButTakesZero) {
  EXPECT_EQ(complaint_about("/model/dropout", "0.0"), "");
  EXPECT_THAT(complaint_about("/model/dropout", "0.1"), AllOf(HasSubstr("model.dropout"), HasSubstr("not available yet")));
}

TEST(TokenizerFile, TakesAModelWithoutATypeForBpeWhenItHasMerges) {
  EXPECT_EQ(complaint_about("/model", R"({"vocab": {"a": 0, "b": 1, "ab": 2, "<s>": 6}, "merges": ["#version: 0.2", "a b"]})"),
            "");
  EXPECT_THAT(complaint_about("/model", R"({"vocab": {"a": 0}})"), HasSubstr("without type or merges"));
}

TEST(TokenizerFile, PassesOverTruncationAndPadding) {
  EXPECT_EQ(
      small_tokenizer(
          {{"/truncation", R"({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0})"},
           {"/padding", R"({"strategy": {"Fixed": 9}, "direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "a"})"}})
          ->encode("abc d abc", true)
          .ids.size(),
      4U);
}

TEST(TokenizerFile, RefusesMembersOfTheWrongForm) {
  const std::vector<std::array<std::string, 3>> spoiled = {
      {"/version", "\"2.0\"", "version"},
      {"/model", "7", "model"},
      {"/model", "null", "model"},
      {"/model/vocab", "{\"a\": \"0\"}", "model.vocab[\"a\"]"},
      {"/model/vocab", "{\"a\": 0.5}", "model.vocab[\"a\"]"},
      {"/model/vocab", "{\"a\": {}}", "model.vocab[\"a\"]"},
      {"/model/vocab", "{\"a\": [0]}", "model.vocab[\"a\"]"},
      {"/model/vocab", "[[\"a\", 0]]", "model.vocab"},
      {"/model/vocab", "null", "model.vocab"},
      {"/model/vocab", "{\"a\": -1}", "ids from 0"},
      {"/model/vocab", "{\"a\": 2147483648}", "ids from 0"},
      {"/model/vocab", "{\"a\": 18446744073709551615}", "ids from 0"},
      {"/model/vocab", "{\"a\": 0, \"b\": 0}", "an id of its own"},
      {"/model/merges", "null", "model.merges"},
      {"/model/merges", "{}", "model.merges"},
      {"/model/merges", "[7]", "model.merges[0]"},
      {"/model/merges", "[[\"a\"]]", "model.merges[0]"},
      {"/model/merges", "[[\"a\", \"b\", \"c\"]]", "model.merges[0]"},
      {"/model/merges", "[[\"a\", [\"b\"]]]", "model.merges[0]"},
      {"/model/merges", "[\"a\"]", "model.merges[0]"},
      {"/model/merges", "[\"a b c\"]", "model.merges[0]"},
      {"/model/merges", "[[\"a\", \"zebra\"]]", "\"zebra\""},
      {"/model/merges", "[[\"a\", \"b\"], [\"b\", \"a\"]]", "model.merges[1]"},
      {"/model/unk_token", "3", "unk_token"},
      {"/model/fuse_unk", "\"yes\"", "fuse_unk"},
      {"/added_tokens", "{}", "added_tokens"},
      {"/added_tokens/0", "\"<s>\"", "added_tokens[0]"},
      {"/added_tokens/0/id", "-6", "added_tokens[0].id"},
      {"/added_tokens/0/id", "4294967296", "added_tokens[0].id"},
      {"/added_tokens/0/id", "\"6\"", "added_tokens[0]"},
      {"/added_tokens/0/content", "6", "added_tokens[0]"},
      {"/added_tokens/0/lstrip", "1", "lstrip"},
      {"/added_tokens/1", R"({"id": 7, "content": "<s>"})", "added_tokens[1]"},
      {"/added_tokens/1", R"({"id": 6, "content": "<t>"})", "added_tokens[1].id"},
      {"/normalizer", "[]", "normalizer"},
      {"/normalizer", "{}", "\"type\""},
      {"/normalizer/normalizers", "7", "normalizer.normalizers"},
      {"/normalizer/normalizers/0", "null", "normalizer.normalizers[0]"},
      {"/normalizer", R"({"type": "Replace", "pattern": {"String": ""}, "content": "x"})", "pattern"},
      {"/normalizer", R"({"type": "Replace", "pattern": "x", "content": "x"})", "pattern"},
      {"/normalizer", R"({"type": "Prepend", "prepend": 1})", "prepend"},
      {"/pre_tokenizer/pattern", "{\"Regex\": \"(unclosed\"}", "pre_tokenizer (Split).pattern"},
      {"/pre_tokenizer/pattern", "{\"Regex\": \"[z-a]\"}", "pre_tokenizer (Split).pattern"},
      {"/pre_tokenizer/pattern", "{}", "pattern"},
      {"/pre_tokenizer/behavior", "\"Sideways\"", "\"Sideways\""},
      {"/pre_tokenizer", R"({"type": "Metaspace", "replacement": "ab"})", "replacement"},
      {"/pre_tokenizer", R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "sometimes"})", "sometimes"},
      {"/post_processor/single", "{}", "single"},
      {"/post_processor/single/0", "7", "single[0]"},
      {"/post_processor/single/1/Sequence/id", "\"B\"", "sequence A"},
      {"/post_processor/special_tokens", "{}", "special_tokens"},
      {"/post_processor/special_tokens/<s>/ids", "[7]", "special_tokens.<s>.ids"},
      {"/post_processor/special_tokens/<s>/ids", "[18446744073709551615]", "special_tokens.<s>.ids"},
      {"/model/type", "\"WordPiece\"", "\"unk_token\""},
      {"/model", R"({"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "a", "continuing_subword_prefix": "##"})",
       "\"max_input_chars_per_word\""},
      {"/model", R"({"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "a", "max_input_chars_per_word": 9})",
       "\"continuing_subword_prefix\""},
      {"/model",
       R"({"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "a", "continuing_subword_prefix": "##", "max_input_chars_per_word": -1})",
       "max_input_chars_per_word"},
      {"/model", R"({"type": "WordPiece", "unk_token": "a", "continuing_subword_prefix": "##", "max_input_chars_per_word": 9})",
       "model.vocab"},
      {"/normalizer", R"({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null})",
       "\"lowercase\""},
      {"/normalizer",
       R"({"type": "BertNormalizer", "clean_text": 1, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true})",
       "clean_text"},
      {"/normalizer",
       R"({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": "no", "lowercase": true})",
       "strip_accents"},
      {"/pre_tokenizer", R"({"type": "Punctuation", "behavior": "Sideways"})", "\"Sideways\""},
      {"/post_processor", R"({"type": "BertProcessing", "sep": ["<s>", 6]})", "\"cls\""},
      {"/post_processor", R"({"type": "BertProcessing", "sep": ["<s>", 7], "cls": ["<s>", 6]})", "sep"},
      {"/post_processor", R"({"type": "BertProcessing", "sep": ["<s>", 6], "cls": "<s>"})", "cls"},
      {"/post_processor",
       R"({"type": "Sequence", "processors": [{"type": "BertProcessing", "sep": ["<s>", 6], "cls": ["<s>", 6]},
           {"type": "BertProcessing", "sep": ["<s>", 6], "cls": ["<s>", 6]}]})",
       "processors[1]"},
      {"/model/vocab", "[7]", "model.vocab[0]"},
      {"/model/vocab", "[[]]", "model.vocab[0]"},
      {"/model/vocab", R"([["a", 0], ["a"]])", "model.vocab[1]"},
      {"/model/vocab", R"([["a", 0, 0]])", "model.vocab[0]"},
      {"/model/vocab", R"([["a", "b"]])", "model.vocab[0]"},
      {"/model/vocab", R"([["a", null]])", "model.vocab[0]"},
      {"/model/vocab", R"([["a", [0]]])", "model.vocab[0]"},
      {"/model/vocab", R"([{"a": 0}])", "model.vocab[0]"},
      {"/model/vocab", R"(["a", 0])", "model.vocab[0]"},
      {"/model/type", "\"Unigram\"", "a list of tokens and their scores"},
      {"/model", R"({"type": "Unigram"})", "model.vocab"},
      {"/model", R"({"type": "Unigram", "vocab": [["a", -1.5]], "unk_id": 1})", "model.unk_id"},
      {"/model", R"({"type": "Unigram", "vocab": [], "unk_id": 0})", "model.unk_id"},
      {"/model", R"({"type": "Unigram", "vocab": [["a", -1.5]], "unk_id": -1})", "model.unk_id"},
      {"/model", R"({"type": "Unigram", "vocab": [["a", -1.5]], "unk_id": "a"})", "unk_id"},
      {"/model", R"({"type": "Unigram", "vocab": [["a", -1.5]], "unk_id": 0, "byte_fallback": 1})", "byte_fallback"},
      {"/model", R"({"type": "WordLevel", "vocab": {"a": 0}})", "\"unk_token\""},
      {"/model", R"({"type": "WordLevel", "vocab": [["a", 0]], "unk_token": "a"})", "an object of tokens and ids"},
      {"/normalizer", R"({"type": "Strip", "strip_left": true})", "\"strip_right\""},
      {"/normalizer", R"({"type": "Strip", "strip_left": "yes", "strip_right": true})", "strip_left"},
      {"/normalizer", R"({"type": "Precompiled"})", "\"precompiled_charsmap\""},
      {"/normalizer", R"({"type": "Precompiled", "precompiled_charsmap": null})", "precompiled_charsmap"},
      {"/normalizer", R"({"type": "Precompiled", "precompiled_charsmap": ""})", "the size of the double array"},
      {"/normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "AAA"})", "base64"},
      {"/normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "A*AA"})", "base64"},
      {"/normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="})", "a double array of 0 bytes"},
      {"/normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "CAAAAAAAAAA="})", "a double array of 8 bytes"},
      {"/normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "BAAAAAAAAAD/"})", "UTF-8"},
      {"/normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "BAAAAAAAAAA="})", "within the double array"},
      {"/pre_tokenizer", R"({"type": "CharDelimiterSplit"})", "\"delimiter\""},
      {"/pre_tokenizer", R"({"type": "CharDelimiterSplit", "delimiter": "ab"})", "delimiter"},
      {"/pre_tokenizer", R"({"type": "FixedLength", "length": 0})", "length"},
      {"/pre_tokenizer", R"({"type": "FixedLength", "length": -3})", "length"},
      {"/decoder", R"({"type": "BPEDecoder"})", "\"suffix\""},
      {"/decoder", R"({"type": "CTC", "pad_token": "p", "word_delimiter_token": "|"})", "\"cleanup\""},
      {"/decoder", R"({"type": "CTC", "pad_token": 1, "word_delimiter_token": "|", "cleanup": true})", "pad_token"},
      {"/decoder", R"({"type": "WordPiece", "prefix": "##"})", "\"cleanup\""},
      {"/decoder", R"({"type": "WordPiece", "cleanup": true})", "\"prefix\""},
      {"/decoder", R"({"type": "Strip", "content": " ", "start": -1, "stop": 0})", "start"},
      {"/decoder", R"({"type": "Strip", "content": "", "start": 0, "stop": 0})", "content"},
  };
  for (const auto& [pointer, value, named] : spoiled)
    EXPECT_THAT(complaint_about(pointer, value), HasSubstr(named)) << pointer << " = " << value;
}

TEST(TokenizerFile, RefusesWhatIsNotAJsonObject) {
  EXPECT_THAT(complaint_about(""), HasSubstr("valid JSON"));
  EXPECT_THAT(complaint_about("{\n\"model\": {\n"), HasSubstr(":3:"));
  EXPECT_THAT(complaint_about("[]"), HasSubstr("a JSON object"));
  EXPECT_THAT(complaint_about("{\"a\": 1, \"a\": 2}"), HasSubstr("every key once"));
  EXPECT_THAT(complaint_about("{\"model\": {\"vocab\": {\"a\": 0, \"a\": 1}, \"merges\": []}}"), HasSubstr("every token once"));
  EXPECT_THAT(complaint_about(std::string(5000, '[')), HasSubstr("128 nested levels"));
  EXPECT_THAT(complaint_about("{\"model\": {\"vocab\": " + std::string(5000, '[')), HasSubstr("model.vocab[0]"));
  EXPECT_THAT(complaint_about(R"({"model": {"vocab": [["a", 1e999]]}})"), HasSubstr("valid JSON"));
  std::string nested = "{\"type\": \"NFC\"}";
  for (int i = 0; i < 40; ++i) nested = R"({"type": "Sequence", "normalizers": [)" + nested + "]}";
  EXPECT_EQ(complaint_about("/normalizer", nested), "");
}

TEST(TokenizerFile, RefusesEveryCutOfAValidFile) {
  const auto file = read_json_file((golden_folder("pieces") / "tokenizer.json").string()).dump();
  for (size_t size = 0; size < file.size(); size += 1 + size / 50) EXPECT_NE(complaint_about(file.substr(0, size)), "") << size;
}

TEST(TokenizerFile, IsMissingWithAComplaint) {
  const TemporaryFolder folder;
  EXPECT_THROW(load_tokenizer(folder.path()), InputError);
}

TEST(TokenizerFile, RefusesAnEndOfSequenceTokenThatItDoesNotHave) {
  const TemporaryFolder folder;
  std::filesystem::copy(golden_folder("gpt2") / "tokenizer.json", folder.path() / "tokenizer.json");
  EXPECT_FALSE(load_tokenizer(folder.path())->eos_id());
  for (const std::string eos : {"\"</none>\"", "7", "{\"content\": 1}", "{}"}) {
    folder.write("tokenizer_config.json", "{\"eos_token\": " + eos + "}");
    EXPECT_THROW(load_tokenizer(folder.path()), InputError) << eos;
  }
  folder.write("tokenizer_config.json", "{\"eos_token\": null}");
  folder.write("config.json", "{\"eos_token_id\": 5}");
  EXPECT_EQ(load_tokenizer(folder.path())->eos_id(), 5);
  folder.write("generation_config.json", "{\"eos_token_id\": -5}");
  EXPECT_THROW(load_tokenizer(folder.path()), InputError);
}

TEST(TokenizerFile, FindsTheMaskAndThePaddingBesideTheFile) {
  const TemporaryFolder folder;
  std::filesystem::copy(golden_folder("gpt2") / "tokenizer.json", folder.path() / "tokenizer.json");
  EXPECT_FALSE(load_tokenizer(folder.path())->mask_id());
  EXPECT_FALSE(load_tokenizer(folder.path())->pad_id());
  folder.write("special_tokens_map.json", R"({"mask_token": {"content": "a"}, "pad_token": "b", "eos_token": "c"})");
  const auto from_map = load_tokenizer(folder.path());
  EXPECT_EQ(from_map->mask_id(), from_map->id_of("a"));
  EXPECT_EQ(from_map->pad_id(), from_map->id_of("b"));
  EXPECT_EQ(from_map->eos_id(), from_map->id_of("c"));
  folder.write("tokenizer_config.json", R"({"mask_token": "d", "pad_token": "<not there>", "eos_token": "e"})");
  const auto from_config = load_tokenizer(folder.path());
  EXPECT_EQ(from_config->mask_id(), from_config->id_of("d"));
  EXPECT_FALSE(from_config->pad_id());
  EXPECT_EQ(from_config->eos_id(), from_config->id_of("e"));
  folder.write("tokenizer_config.json", R"({"mask_token": 7})");
  EXPECT_THROW(load_tokenizer(folder.path()), InputError);
  folder.write("tokenizer_config.json", R"({"pad_token": ["a"]})");
  EXPECT_THROW(load_tokenizer(folder.path()), InputError);
}

TEST(TokenizerFile, TakesTheUsualSpellingsOfMaskAndPaddingWhereNobodyNamesThem) {
  const auto tokenizer = small_tokenizer({{"/added_tokens/1", R"({"id": 7, "content": "[MASK]", "special": true})"},
                                          {"/added_tokens/2", R"({"id": 8, "content": "<pad>", "special": true})"}});
  EXPECT_EQ(tokenizer->mask_id(), 7);
  EXPECT_EQ(tokenizer->pad_id(), 8);
  EXPECT_FALSE(small_tokenizer({{"/added_tokens/1", R"({"id": 7, "content": "[MASK]", "special": false})"}})->mask_id());
}

TEST(TokenizerFile, KnowsWhichIdsAreSpecial) {
  const auto tokenizer = small_tokenizer({{"/added_tokens/1", R"({"id": 7, "content": "<t>", "special": false})"}});
  EXPECT_TRUE(tokenizer->is_special(6));
  for (const int32_t id : {-1, 0, 5, 7, 8}) EXPECT_FALSE(tokenizer->is_special(id)) << id;
}

TEST(TokenizerFile, NumbersAddedTokensAsTheLibraryWhateverTheFileSays) {
  const auto tokenizer = small_tokenizer({{"/added_tokens/1", R"({"id": 900, "content": "<t>"})"}});
  EXPECT_EQ(tokenizer->id_of("<t>"), 7);
  EXPECT_EQ(tokenizer->num_ids(), 8);
}

TEST(TokenizerText, MustBeUtf8) {
  const auto tokenizer = small_tokenizer({});
  for (const std::string bad : {"a\xFF", "\x80", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\xF0\x9F\x98"}) {
    EXPECT_THROW(tokenizer->encode(bad, true), InputError) << ::testing::PrintToString(bad);
  }
  EXPECT_EQ(tokenizer->encode(std::string("a\0b", 3), false).ids, (std::vector<int32_t>{3}));  // NUL has no token
}

TEST(TokenizerText, NeedsTheUnknownTokenOnlyWhenItIsUsed) {
  const auto tokenizer = small_tokenizer({{"/model/unk_token", "\"[UNK]\""}});
  EXPECT_EQ(tokenizer->encode("abc", false).ids, (std::vector<int32_t>{4}));
  EXPECT_THROW(tokenizer->encode("abz", false), InputError);
  EXPECT_EQ(tokenizer->encode("abc", false).ids, (std::vector<int32_t>{4}));
}

TEST(TokenizerText, NeedsTheUnknownTokenOfWordPieceOnlyWhenItIsUsed) {
  const auto tokenizer =
      small_tokenizer({{"/model", R"({"type": "WordPiece", "vocab": {"a": 0, "##b": 1, "##bc": 2}, "unk_token": "[UNK]",
                      "continuing_subword_prefix": "##", "max_input_chars_per_word": 4})"},
                       {"/added_tokens", "[]"},
                       {"/post_processor", "null"}});
  EXPECT_EQ(tokenizer->encode("abbc abb", false).ids, (std::vector<int32_t>{0, 1, 2, 0, 1, 1}));
  EXPECT_THROW(tokenizer->encode("abd", false), InputError);    // no token
  EXPECT_THROW(tokenizer->encode("b", false), InputError);      // only inside a word
  EXPECT_THROW(tokenizer->encode("abbbb", false), InputError);  // too long
  EXPECT_EQ(tokenizer->encode("abbb", false).ids, (std::vector<int32_t>{0, 1, 1, 1}));
}

TEST(TokenizerFile, TakesAModelWithoutATypeForWhatItsMembersAre) {
  const std::vector<std::pair<std::string, std::string>> bare = {{"/added_tokens", "[]"}, {"/post_processor", "null"}};
  auto unigram = bare, wordlevel = bare;
  unigram.emplace_back("/model", R"({"vocab": [["a", -1], ["aa", -1.5]]})");
  wordlevel.emplace_back("/model", R"({"vocab": {"a": 0, "aa": 1}, "unk_token": "a"})");
  EXPECT_EQ(small_tokenizer(unigram)->encode("aaa", false).ids, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(small_tokenizer(wordlevel)->encode("aa aaa", false).ids, (std::vector<int32_t>{1, 0}));
}

TEST(TokenizerText, NeedsTheUnknownTokenOfUnigramAndWordLevelOnlyWhenItIsUsed) {
  for (const std::string model : {R"({"type": "Unigram", "unk_id": null, "vocab": [["a", -1], ["b", -1]]})",
                                  R"({"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"a": 0, "b": 1}})"}) {
    const auto tokenizer = small_tokenizer({{"/model", model}, {"/added_tokens", "[]"}, {"/post_processor", "null"}});
    EXPECT_EQ(tokenizer->encode("b a", false).ids, (std::vector<int32_t>{1, 0})) << model;
    EXPECT_THROW(tokenizer->encode("c", false), InputError) << model;
  }
}

TEST(TokenizerText, FindsTheLastOfEqualPiecesAndNamesBoth) {
  const auto tokenizer = small_tokenizer(
      {{"/model", R"({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1], ["b", -1], ["a", -2], ["", -3]]})"},
       {"/added_tokens", "[]"},
       {"/post_processor", "null"}});
  EXPECT_EQ(tokenizer->encode("ab", false).ids, (std::vector<int32_t>{3, 2}));
  EXPECT_EQ(tokenizer->token_of(1), "a");
  EXPECT_EQ(tokenizer->id_of("a"), 3);
  EXPECT_EQ(tokenizer->num_ids(), 5);
}

// The path over the lone byte leaves the double array; the file loads, and the text that goes there is refused.
TEST(TokenizerText, RefusesACharacterMapThatPointsOutsideItself) {
  try {
    small_tokenizer({{"/normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "BAAAAAAEAAA="})"}})->encode("a", false);
    FAIL() << "the map was followed";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("precompiled_charsmap"), HasSubstr("double array")));
  }
}

TEST(TokenizerText, StopsARegexThatBacktracksForever) {
  const auto tokenizer = small_tokenizer({{"/pre_tokenizer/pattern", R"({"Regex": "(a|aa)+$"})"}});
  try {
    tokenizer->encode(std::string(40, 'a') + "b", false);
    FAIL() << "the search ended";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("backtracking"), HasSubstr("pattern")));
  }
}

TEST(TokenizerText, DecodesAnyIdsWithoutFailing) {
  for (const std::string& name : golden_names()) {
    const auto tokenizer = load_tokenizer(golden_folder(name));
    const std::vector<int32_t> ids = {0, -1, INT32_MAX, 1, INT32_MIN, 5};
    EXPECT_EQ(tokenizer->decode(ids, false), tokenizer->decode(std::vector<int32_t>{0, 1, 5}, false));
    EXPECT_EQ(tokenizer->decode({}, false), "");
  }
}

TEST(TokenizerText, StripsBothEndsOfTokensAndNoMore) {
  const std::string strip = R"({"type": "Sequence", "decoders": [{"type": "Strip", "content": "a", "start": 1, "stop": 2}]})";
  const auto tokenizer = small_tokenizer({{"/decoder", strip}});
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{0, 3, 1, 0, 0}, false), "bb");
}

}  // namespace
}  // namespace distill::testing
