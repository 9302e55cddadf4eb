// What makes encoding fast changes nothing: each short cut against a tokenizer that cannot take it.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "text/golden_files.h"

namespace distill::testing {
namespace {

Json tree_of(const std::string& name) {
  std::ifstream file(golden_folder(name) / "tokenizer.json");
  return Json::parse(file);
}

std::unique_ptr<Tokenizer> tokenizer_of(const Json& tree) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", tree.dump());
  return load_tokenizer(folder.path());
}

std::vector<std::string> random_texts(const std::vector<std::string>& parts, size_t count) {
  std::mt19937 dice(7);
  std::vector<std::string> texts(count);
  for (std::string& text : texts)
    for (size_t left = dice() % 60; left > 0; --left) text += parts[dice() % parts.size()];
  return texts;
}

void expect_same(const Tokenizer& fast, const Tokenizer& slow, const std::string& text) {
  const Encoding found = fast.encode(text, true), expected = slow.encode(text, true);
  EXPECT_EQ(found.ids, expected.ids) << ::testing::PrintToString(text);
  EXPECT_EQ(found.offsets, expected.offsets) << ::testing::PrintToString(text);
}

// A last merge that makes a mark follow another character keeps the model from cutting; no text here has that character.
std::unique_ptr<Tokenizer> uncut_twin(Json tree) {
  Json& model = tree["model"];
  const size_t next = model["vocab"].size();
  model["vocab"]["\uF123"] = next;
  model["vocab"]["\uF123\u2581"] = next + 1;
  model["merges"].push_back({"\uF123", "\u2581"});
  return tokenizer_of(tree);
}

TEST(TokenizerSpeed, WordByWordMergingGivesWhatMergingTheWholeTextGives) {
  const Json tree = tree_of("llama2");
  const auto fast = tokenizer_of(tree), slow = uncut_twin(tree);
  for (const std::string& text : corpus_strings()) expect_same(*fast, *slow, text);
  const std::vector<std::string> parts = {" ", "  ", "\u2581", "the",    "a",          "in", "e",
                                          "x", "\n", "\u00e9", "\u5b57", "\U0001F600", "<s>"};
  for (const std::string& text : random_texts(parts, 3000)) expect_same(*fast, *slow, text);
}

std::vector<int32_t> ids_of_marks(const char* unk_token, const std::string& text, bool over_a_mark = false) {
  Json tree = tree_of("llama2");
  tree["added_tokens"] = Json::array();
  for (const char* part : {"normalizer", "pre_tokenizer", "post_processor", "decoder"}) tree[part] = nullptr;
  tree["model"]["byte_fallback"] = false;
  tree["model"]["fuse_unk"] = false;
  tree["model"]["unk_token"] = unk_token ? Json(unk_token) : Json();
  tree["model"]["vocab"] = {{"\u2581", 0}, {"\u2581\u2581", 1}, {"<unk>", 2}, {"a", 3}, {"a\u2581", 4}};
  tree["model"]["merges"] = Json::array({Json::array({"\u2581", "\u2581"})});
  if (over_a_mark) tree["model"]["merges"].push_back({"a", "\u2581"});
  return tokenizer_of(tree)->encode(text, false).ids;
}

// Expected values: the reference library's.
TEST(TokenizerSpeed, MarksThatBecomeNeighboursAreStillMerged) {
  EXPECT_EQ(ids_of_marks(nullptr, "\u2581x\u2581"), (std::vector<int32_t>{1}));
  EXPECT_EQ(ids_of_marks("\u2581", "x\u2581"), (std::vector<int32_t>{1}));
  EXPECT_EQ(ids_of_marks("<unk>", "\u2581x\u2581"), (std::vector<int32_t>{0, 2, 0}));
  EXPECT_EQ(ids_of_marks("<unk>", "\u2581\u2581x\u2581\u2581"), (std::vector<int32_t>{1, 2, 1}));
}

TEST(TokenizerSpeed, AMergeOverTheStartOfAWordIsStillFound) {
  EXPECT_EQ(ids_of_marks("<unk>", "\u2581a\u2581a", true), (std::vector<int32_t>{0, 4, 3}));
  EXPECT_EQ(ids_of_marks("<unk>", "\u2581a\u2581a", false), (std::vector<int32_t>{0, 3, 0, 3}));
}

// Far more words than the cache holds, so that they push each other out; the other tokenizer meets them the other way round.
TEST(TokenizerSpeed, RememberedPiecesAreThoseThatWereAskedFor) {
  std::vector<std::string> words;
  std::mt19937 dice(9);
  for (int i = 0; i < 50000; ++i) {
    std::string word;
    for (size_t left = 1 + dice() % 8; left > 0; --left) word.push_back(static_cast<char>('a' + dice() % 6));
    words.push_back(word + (i % 1000 == 0 ? std::string(100, 'a') : ""));
  }
  for (const char* name : {"gpt2", "llama2", "bert"}) {
    const auto forwards = load_tokenizer(golden_folder(name)), backwards = load_tokenizer(golden_folder(name));
    std::vector<std::vector<int32_t>> first(words.size());
    for (size_t i = 0; i < words.size(); ++i) first[i] = forwards->encode(words[i], false).ids;
    size_t differing = 0;
    for (size_t i = words.size(); i-- > 0;) differing += backwards->encode(words[i], false).ids != first[i];
    EXPECT_EQ(differing, 0U) << name;
  }
}

}  // namespace
}  // namespace distill::testing
