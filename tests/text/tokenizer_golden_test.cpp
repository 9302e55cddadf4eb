// Ids, offsets and decoded text equal to the `tokenizers` library, on tiny tokenizers in the styles of well-known models.
#include <gtest/gtest.h>

#include <thread>

#include "distill/core/error.h"

#include "text/golden_files.h"

namespace distill::testing {
namespace {

using Offsets = std::vector<std::pair<uint32_t, uint32_t>>;

class TokenizerGolden : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    tokenizer = load_tokenizer(golden_folder(GetParam()));
    golden = read_golden(GetParam());
    strings = corpus_strings();
  }
  std::unique_ptr<Tokenizer> tokenizer;
  Json golden;
  std::vector<std::string> strings;
};

void expect_encoding(const Encoding& found, const Json& expected, const std::string& text) {
  if (expected.is_string()) {
    EXPECT_EQ(fingerprint_of(found), expected.get<std::string>()) << ::testing::PrintToString(text);
    return;
  }
  EXPECT_EQ(found.ids, expected[0].get<std::vector<int32_t>>()) << ::testing::PrintToString(text);
  const auto begins = expected[1].get<std::vector<uint32_t>>(), ends = expected[2].get<std::vector<uint32_t>>();
  Offsets offsets;
  for (size_t i = 0; i < begins.size(); ++i) offsets.emplace_back(begins[i], ends[i]);
  EXPECT_EQ(found.offsets, offsets) << ::testing::PrintToString(text);
}

TEST_P(TokenizerGolden, GivesTheIdsAndOffsetsOfTheLibrary) {
  for (size_t i = 0; i < strings.size(); ++i)
    expect_encoding(tokenizer->encode(strings[i], true), golden["strings"][i], strings[i]);
}

TEST_P(TokenizerGolden, GivesTheSameWithoutSpecialTokens) {
  for (size_t i = 0; i < strings.size(); ++i)
    expect_encoding(tokenizer->encode(strings[i], false), golden["plain"][i], strings[i]);
}

TEST_P(TokenizerGolden, DecodesAsTheLibrary) {
  for (size_t i = 0; i < strings.size(); ++i) {
    const Encoding encoding = tokenizer->encode(strings[i], true);
    const Json &decoded = golden["decoded"][i], &skipped = golden["skipped"][i];
    const std::string expected = decoded.is_null() ? strings[i] : decoded.get<std::string>();
    EXPECT_EQ(tokenizer->decode(encoding.ids, false), expected) << ::testing::PrintToString(strings[i]);
    const std::string without_special = skipped.is_null()     ? strings[i]
                                        : skipped.is_number() ? expected
                                                              : skipped.get<std::string>();
    EXPECT_EQ(tokenizer->decode(encoding.ids, true), without_special) << ::testing::PrintToString(strings[i]);
  }
}

TEST_P(TokenizerGolden, DecodesIdsInAnyOrder) {
  for (size_t i = 0; i < golden["random_ids"].size(); ++i)
    EXPECT_EQ(tokenizer->decode(golden["random_ids"][i].get<std::vector<int32_t>>(), false),
              golden["random_decoded"][i].get<std::string>());
}

TEST_P(TokenizerGolden, AgreesOnEveryCodePointOfTheBasicPlane) {
  const std::vector<std::string> rows = plane_strings();
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_EQ(fingerprint_of(tokenizer->encode(rows[i], true)), golden["planes"][i].get<std::string>())
        << "code points from " << i * 64;
}

TEST_P(TokenizerGolden, NamesEveryIdBothWays) {
  EXPECT_EQ(tokenizer->num_ids(), golden["vocab_size"].get<int64_t>());
  for (int32_t id = 0; id < tokenizer->num_ids(); ++id) {
    const auto token = tokenizer->token_of(id);
    ASSERT_TRUE(token) << id;
    EXPECT_EQ(tokenizer->id_of(*token), id);
  }
  EXPECT_FALSE(tokenizer->token_of(static_cast<int32_t>(tokenizer->num_ids())));
  EXPECT_FALSE(tokenizer->token_of(-1));
  EXPECT_FALSE(tokenizer->id_of("no such token"));
}

TEST_P(TokenizerGolden, KeepsOffsetsInOrderAndInsideTheText) {
  for (const std::string& text : strings) {
    uint32_t last = 0;
    for (const auto& [begin, end] : tokenizer->encode(text, false).offsets) {
      EXPECT_LE(begin, end);
      EXPECT_LE(end, text.size());
      EXPECT_LE(last, begin + (GetParam() == "added" || GetParam() == "mapped" ? text.size() : 4))
          << ::testing::PrintToString(text);
      last = begin;
    }
  }
}

TEST_P(TokenizerGolden, EncodesTheSameFromFourThreads) {
  std::vector<Encoding> serial;
  for (const std::string& text : strings) serial.push_back(tokenizer->encode(text, true));
  std::vector<int> differing(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 2 * strings.size(); ++i) {
        const size_t at = (i * (2 * t + 1) + t) % strings.size();
        const Encoding found = tokenizer->encode(strings[at], true);
        differing[t] += found.ids != serial[at].ids || found.offsets != serial[at].offsets;
        differing[t] += tokenizer->decode(found.ids, false) != tokenizer->decode(serial[at].ids, false);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(differing, std::vector<int>(4, 0));
}

INSTANTIATE_TEST_SUITE_P(Styles, TokenizerGolden, ::testing::ValuesIn(golden_names()),
                         [](const auto& info) { return info.param; });

TEST(Tokenizer, FindsTheEndOfSequenceIdBesideTheFile) {
  const auto gpt2 = load_tokenizer(golden_folder("gpt2"));
  EXPECT_EQ(gpt2->eos_id(), gpt2->id_of("<|endoftext|>"));
  const auto qwen2 = load_tokenizer(golden_folder("qwen2"));  // an object with `content`
  EXPECT_EQ(qwen2->eos_id(), qwen2->id_of("<|im_end|>"));
  const auto llama3 = load_tokenizer(golden_folder("llama3"));  // a list in generation_config.json
  EXPECT_EQ(llama3->eos_id(), llama3->id_of("<|end_of_text|>"));
  EXPECT_EQ(load_tokenizer(golden_folder("llama2"))->eos_id(), 2);  // config.json
  EXPECT_FALSE(load_tokenizer(golden_folder("added"))->eos_id());
}

TEST(Tokenizer, KnowsTheMaskAndThePaddingOfBertStyleFolders) {
  for (const char* name : {"bert", "bert_cased"}) {  // the usual spellings; special_tokens_map.json
    const auto tokenizer = load_tokenizer(golden_folder(name));
    EXPECT_EQ(tokenizer->mask_id(), 4) << name;
    EXPECT_EQ(tokenizer->pad_id(), 0) << name;
    for (int32_t id = 0; id < tokenizer->num_ids(); ++id) EXPECT_EQ(tokenizer->is_special(id), id < 5) << name << " " << id;
  }
}

TEST(Tokenizer, HasAFingerprintOfItsFile) {
  EXPECT_EQ(load_tokenizer(golden_folder("gpt2"))->fingerprint(), load_tokenizer(golden_folder("gpt2"))->fingerprint());
  EXPECT_NE(load_tokenizer(golden_folder("gpt2"))->fingerprint(), load_tokenizer(golden_folder("qwen2"))->fingerprint());
}

TEST(Tokenizer, KnowsWhetherAFolderHasOne) {
  EXPECT_TRUE(has_tokenizer(golden_folder("gpt2")));
  EXPECT_FALSE(has_tokenizer(golden_folder("")));
  EXPECT_FALSE(has_tokenizer(golden_folder("no such folder")));
}

TEST(Tokenizer, MergesALongPieceAsItMergesItsShortParts) {
  // Above 64 symbols another algorithm takes over; "ab" repeats merge alike at every length.
  const auto tokenizer = small_tokenizer({});
  for (const size_t count : {1, 20, 31, 32, 33, 100, 5000}) {
    std::string text;
    std::vector<int32_t> expected = {6};
    for (size_t i = 0; i < count; ++i) {
      text += i % 3 == 0 ? "abc" : "abd";
      expected.push_back(i % 3 == 0 ? 4 : 3);
      if (i % 3 != 0) expected.push_back(5);
    }
    EXPECT_EQ(tokenizer->encode(text, true).ids, expected) << count;
  }
}

TEST(Tokenizer, ForgetsNothingWhenTheCacheIsOverrun) {
  const auto tokenizer = load_tokenizer(golden_folder("gpt2"));
  std::string words;
  for (int i = 0; i < 60000; ++i) words += " w" + std::to_string(i * 7919);
  const Encoding first = tokenizer->encode(words, false);
  EXPECT_EQ(tokenizer->encode(words, false).ids, first.ids);
  EXPECT_EQ(load_tokenizer(golden_folder("gpt2"))->encode(words, false).ids, first.ids);
  EXPECT_EQ(tokenizer->decode(first.ids, false), words);
}

}  // namespace
}  // namespace distill::testing
