// Folders with a SentencePiece model or vocabulary files and no tokenizer.json: the ids of transformers, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <random>

#include "distill/core/error.h"
#include "distill/core/file.h"

#include "text/golden_files.h"

namespace distill::testing {
namespace {

using ::testing::HasSubstr;

Json read_folders() { return read_golden("tokenizer_folders").at("folders"); }

std::string model_bytes(const std::string& name) { return read_file(golden_folder("tokenizer_folders") / (name + ".model")); }

void write_folder(const Json& golden, const TemporaryFolder& folder) {
  folder.write(golden.at("as").get<std::string>(), model_bytes(golden.at("model").get<std::string>()));
  if (golden.contains("merges")) folder.write("merges.txt", model_bytes(golden.at("merges").get<std::string>()));
  for (const auto& [file, content] : golden.at("files").items()) folder.write(file, content.dump());
}

std::string fnv_of(const std::string& bytes) {
  uint64_t value = 0xCBF29CE484222325ULL;
  for (const char byte : bytes) value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001B3ULL;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

std::string refusal(const TemporaryFolder& folder) {
  try {
    load_tokenizer(folder.path());
    return "";
  } catch (const InputError& error) {
    EXPECT_FALSE(error.complaints().front().advice.empty()) << error.what();
    return error.what();
  }
}

std::string refusal_with(const std::string& name, const std::string& file, const std::string& text) {
  const TemporaryFolder folder;
  write_folder(read_folders().at(name), folder);
  folder.write(file, text);
  return refusal(folder);
}

std::string refusal_of_model(const std::string& bytes) { return refusal_with("llama", "tokenizer.model", bytes); }

class TokenizerFolder : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    golden = read_folders().at(GetParam());
    write_folder(golden, folder);
    ASSERT_TRUE(has_tokenizer(folder.path()));
    tokenizer = load_tokenizer(folder.path());
  }
  TemporaryFolder folder;
  Json golden;
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<std::string> strings = corpus_strings();
};

TEST_P(TokenizerFolder, GivesTheIdsAndOffsetsOfTransformers) {
  ASSERT_EQ(golden.at("strings").size(), strings.size());
  for (size_t i = 0; i < strings.size(); ++i)
    EXPECT_EQ(fingerprint_of(tokenizer->encode(strings[i], true)), golden["strings"][i].get<std::string>())
        << ::testing::PrintToString(strings[i]);
}

TEST_P(TokenizerFolder, GivesTheSameWithoutSpecialTokens) {
  Encoding all;
  for (const std::string& text : strings)
    for (const int32_t id : tokenizer->encode(text, false).ids) all.ids.push_back(id);
  EXPECT_EQ(fingerprint_of(all), golden["plain"].get<std::string>());
}

TEST_P(TokenizerFolder, DecodesAsTransformers) {
  std::string all;
  for (const std::string& text : strings) all += tokenizer->decode(tokenizer->encode(text, true).ids, false) + '\0';
  EXPECT_EQ(fnv_of(all), golden["decoded"].get<std::string>());
}

TEST_P(TokenizerFolder, CountsItsTokensAndNamesTheEndOfAText) {
  EXPECT_EQ(tokenizer->num_ids(), golden["vocab_size"].get<int64_t>());
  EXPECT_EQ(tokenizer->eos_id().value_or(-1), golden["eos"].is_null() ? -1 : golden["eos"].get<int32_t>());
}

INSTANTIATE_TEST_SUITE_P(Folders, TokenizerFolder,
                         ::testing::Values("llama", "llama_legacy", "llama_no_prefix", "llama_listed", "llama_mapped", "gemma",
                                           "gemma_unnamed", "t5", "t5_unnamed", "xlmr", "xlmr_unnamed", "bert", "bert_cased",
                                           "bert_mapped", "bert_listed", "gpt2", "gpt2_set", "gpt2_mapped", "qwen2",
                                           "qwen2_unnamed", "roberta", "roberta_set"),
                         [](const auto& test) { return test.param; });

TEST(TokenizerFolders, AreAllTested) { EXPECT_EQ(read_folders().size(), 22U); }

TEST(TokenizerFolders, TakeTokenizerJsonWhereItIsThere) {
  const TemporaryFolder folder;
  write_folder(read_folders().at("llama"), folder);
  const auto from_model = load_tokenizer(folder.path());
  folder.write("tokenizer.json", read_file(golden_folder("gpt2") / "tokenizer.json"));
  folder.write("tokenizer_config.json", "{}");
  const auto from_json = load_tokenizer(folder.path());
  EXPECT_TRUE(from_json->id_of("<|endoftext|>"));
  EXPECT_NE(from_json->fingerprint(), from_model->fingerprint());
}

TEST(TokenizerFolders, ChangeTheirFingerprintWithTheFilesBesideTheModel) {
  const Json golden = read_folders().at("llama");
  const TemporaryFolder folder, other;
  write_folder(golden, folder);
  write_folder(golden, other);
  EXPECT_EQ(load_tokenizer(folder.path())->fingerprint(), load_tokenizer(other.path())->fingerprint());
  other.write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": false})");
  EXPECT_NE(load_tokenizer(folder.path())->fingerprint(), load_tokenizer(other.path())->fingerprint());
}

TEST(TokenizerFolders, OfOtherClassesAreRefusedByName) {
  EXPECT_THAT(refusal_with("llama", "tokenizer_config.json", R"({"tokenizer_class": "CamembertTokenizer"})"),
              HasSubstr("CamembertTokenizer"));
  EXPECT_THAT(refusal_with("llama", "tokenizer_config.json", "{}"), HasSubstr("model_type \"llama\""));
  EXPECT_THAT(refusal_with("llama", "config.json", R"({"model_type": "mistral"})"), HasSubstr("\"mistral\" with LlamaTokenizer"));
  EXPECT_THAT(refusal_with("t5", "config.json", R"({"model_type": "umt5"})"), HasSubstr("umt5"));
}

TEST(TokenizerFolders, WithUnavailableSettingsAreRefusedByName) {
  const auto with = [](const std::string& name, const std::string& cls, const std::string& setting) {
    return refusal_with(name, "tokenizer_config.json", "{\"tokenizer_class\": \"" + cls + "\", " + setting + "}");
  };
  EXPECT_THAT(with("llama", "LlamaTokenizer", R"("extra_special_tokens": ["<x>"])"), HasSubstr("extra_special_tokens"));
  EXPECT_THAT(with("llama", "LlamaTokenizer", R"("additional_special_tokens": ["<x>"])"), HasSubstr("additional_special_tokens"));
  EXPECT_THAT(with("llama", "LlamaTokenizer", R"("split_special_tokens": true)"), HasSubstr("split_special_tokens"));
  EXPECT_THAT(with("llama", "LlamaTokenizer", R"("bos_token": null)"), HasSubstr("bos_token"));
  EXPECT_THAT(with("llama", "LlamaTokenizer", R"("bos_token": {"content": "<s>"})"), HasSubstr("__type"));
  EXPECT_THAT(with("llama", "LlamaTokenizer", R"("added_tokens_decoder": {"x": {"content": "y"}})"), HasSubstr("every id once"));
  EXPECT_THAT(with("t5", "T5Tokenizer", R"("extra_ids": 7)"), HasSubstr("extra_ids"));
  EXPECT_THAT(with("llama", "LlamaTokenizer", R"("added_tokens_decoder": {"0": 3})"), HasSubstr("added_tokens_decoder.0"));
  EXPECT_THAT(refusal_with("llama", "spiece.model", "x"), HasSubstr("one SentencePiece model"));
  EXPECT_THAT(refusal_with("llama", "added_tokens.json", R"({"<x>": 900})"), HasSubstr("added_tokens.json"));
}

TEST(BertVocabularies, OfOtherClassesOrWithABadLineAreRefused) {
  EXPECT_THAT(refusal_with("bert", "config.json", R"({"model_type": "electra"})"), HasSubstr("electra"));
  EXPECT_THAT(refusal_with("bert", "tokenizer_config.json", R"({"tokenizer_class": "MPNetTokenizer"})"), HasSubstr("MPNet"));
  EXPECT_THAT(refusal_with("bert", "vocab.txt", "[UNK]\na\na\n"), HasSubstr("vocab.txt:3"));
  EXPECT_THAT(refusal_with("bert", "vocab.txt", "[UNK]\n\xFF\n"), HasSubstr("vocab.txt:2"));
  EXPECT_THAT(refusal_with("bert", "vocab.txt", "[UNK]\r\n"), HasSubstr("carriage return"));
}

TEST(ByteVocabularies, OfOtherClassesOrSettingsAreRefusedByName) {
  const auto with = [](const std::string& setting) {
    return refusal_with("gpt2", "tokenizer_config.json", R"({"tokenizer_class": "GPT2Tokenizer", )" + setting + "}");
  };
  EXPECT_EQ(with(R"("bos_token": "<s>")"), "");
  EXPECT_THAT(refusal_with("gpt2", "tokenizer_config.json", R"({"tokenizer_class": "CLIPTokenizer"})"),
              HasSubstr("CLIPTokenizer"));
  EXPECT_THAT(refusal_with("gpt2", "config.json", R"({"model_type": "clip"})"), HasSubstr("model_type \"clip\""));
  EXPECT_THAT(refusal_with("qwen2", "config.json", R"({"model_type": "gpt2"})"), HasSubstr("\"gpt2\" with Qwen2Tokenizer"));
  EXPECT_THAT(with(R"("image_token": "<image>")"), HasSubstr("image_token"));
  EXPECT_THAT(with(R"("extra_special_tokens": {"a_token": "<a>"})"), HasSubstr("extra_special_tokens"));
  EXPECT_THAT(with(R"("additional_special_tokens": [{"content": "<a>"}])"), HasSubstr("additional_special_tokens"));
  EXPECT_THAT(with(R"("split_special_tokens": true)"), HasSubstr("split_special_tokens"));
}

TEST(ByteVocabularies, ThatAreMalformedNameTheTokenOrTheLine) {
  const auto merges = [](const std::string& text) { return refusal_with("gpt2", "merges.txt", text); };
  EXPECT_EQ(merges("#version: 0.2\r\nà ¸\r\n"), "");
  EXPECT_THAT(merges("#version: 0.2\nà ¸\n\n"), HasSubstr("merges.txt:3"));
  EXPECT_THAT(merges("t h e\n"), HasSubstr("\"t h e\""));
  EXPECT_THAT(merges("à ¸\nQ zz\n"), HasSubstr("merges.txt:2"));
  EXPECT_THAT(merges("t \xFF\n"), HasSubstr("ill-formed"));
  const auto vocabulary = [](const std::string& text) { return refusal_with("gpt2", "vocab.json", text); };
  EXPECT_THAT(vocabulary("[]"), HasSubstr("an object of tokens and ids"));
  EXPECT_THAT(vocabulary(R"({"a": "0"})"), HasSubstr("\"a\""));
  EXPECT_THAT(vocabulary(R"({"a": 4294967296})"), HasSubstr("4294967296"));
  EXPECT_THAT(vocabulary(R"({"a": 0, "a": 1})"), HasSubstr("twice"));
  EXPECT_THAT(vocabulary(R"({"a": 0)"), HasSubstr("vocab.json"));
}

TEST(ByteVocabularies, NeedBothFiles) {
  const TemporaryFolder folder;
  folder.write("vocab.json", "{}");
  EXPECT_FALSE(has_tokenizer(folder.path()));
}

TEST(SentencePieceModels, OfAnotherAlgorithmAreRefused) {
  EXPECT_THAT(refusal_of_model(model_bytes("t5")), HasSubstr("a Unigram model"));
  const std::string piece(
      "\x0A\x03\x0A\x01"
      "a",
      5);
  EXPECT_THAT(refusal_of_model(piece + std::string("\x12\x02\x18\x03", 4)), HasSubstr("a word model"));
  EXPECT_THAT(refusal_of_model(piece + std::string("\x12\x02\x18\x04", 4)), HasSubstr("a character model"));
}

TEST(SentencePieceModels, ThatAreCutAnywhereAreInputErrors) {
  const std::string bytes = model_bytes("llama");
  for (size_t size = 0; size < bytes.size(); size += 1 + size / 40)
    EXPECT_THAT(refusal_of_model(bytes.substr(0, size)), HasSubstr("tokenizer.model")) << size;
}

// A changed byte often leaves a model that can be read; anything but that or an InputError ends the test.
TEST(SentencePieceModels, WithAnyByteChangedLoadOrAreInputErrors) {
  std::mt19937 random(7);
  size_t refused = 0;
  for (const std::string name : {"llama", "t5"}) {
    const TemporaryFolder folder;
    const Json golden = read_folders().at(name);
    write_folder(golden, folder);
    for (int i = 0; i < 150; ++i) {
      std::string bytes = model_bytes(name);
      for (int changes = 0; changes < 3; ++changes) bytes[random() % bytes.size()] = static_cast<char>(random() % 256);
      folder.write(golden.at("as").get<std::string>(), bytes);
      refused += !refusal(folder).empty();
    }
  }
  EXPECT_GT(refused, 50U);
}

TEST(SentencePieceModels, ThatAreMalformedNameTheFileAndTheByte) {
  const auto complaint = [](const std::string& bytes) { return refusal_of_model(bytes); };
  const std::string a = {0x0A, 0x03, 0x0A, 0x01, 'a'};
  EXPECT_THAT(complaint(""), HasSubstr("tokenizer.model, byte 0"));
  EXPECT_THAT(complaint(a + '\x0B'), HasSubstr("byte 5"));
  EXPECT_THAT(complaint(a + '\x0B'), HasSubstr("wire type 3"));
  EXPECT_THAT(complaint(a + a), HasSubstr("byte 5"));
  EXPECT_THAT(complaint(a + a), HasSubstr("every piece once"));
  EXPECT_THAT(complaint(a + std::string{0x0A, 0x7F, 'b'}), HasSubstr("127 bytes"));
  EXPECT_THAT(complaint(a + std::string{0x02}), HasSubstr("field number 0"));
  EXPECT_THAT(complaint(a + std::string(12, '\xFF')), HasSubstr("at most 10 bytes"));
  EXPECT_THAT(complaint({0x0A, 0x03, 0x0A, 0x01, '\xFF'}), HasSubstr("byte 2"));
  EXPECT_THAT(complaint({0x0A, 0x03, 0x0A, 0x01, '\xFF'}), HasSubstr("UTF-8"));
  EXPECT_THAT(complaint({0x0A, 0x02, 0x18, 0x01}), HasSubstr("a piece with a text"));
  EXPECT_THAT(complaint({0x0A, 0x05, 0x0A, 0x01, 'a', 0x18, 0x07}), HasSubstr("a type of piece"));
  EXPECT_THAT(complaint({0x0A, 0x05, 0x0A, 0x01, 'a', 0x10, 0x07}), HasSubstr("a number of 32 bits"));
  EXPECT_THAT(complaint({0x0A, 0x08, 0x0A, 0x01, 'a', 0x15, 0, 0, '\x80', 0x7F}), HasSubstr("finite"));
  EXPECT_THAT(complaint("\x08\x01"), HasSubstr("a message"));
  EXPECT_THAT(complaint("IQ== 0\nIg== 1\n"), HasSubstr("tokenizer.model, byte"));
}

}  // namespace
}  // namespace distill::testing
