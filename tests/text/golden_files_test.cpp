// The helpers of this folder's tests.
#include "text/golden_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "distill/core/error.h"

#include "paths.h"

namespace distill::testing {
namespace {

void append_utf8(std::string& out, uint32_t c) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | (c >> 6));
  } else {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

constexpr const char* kSmallFile = R"({
  "version": "1.0", "truncation": null, "padding": null,
  "added_tokens": [{"id": 6, "content": "<s>", "special": true, "normalized": false}],
  "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
  "pre_tokenizer": {"type": "Split", "pattern": {"Regex": " +"}, "behavior": "Removed", "invert": false},
  "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
    {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [6], "tokens": ["<s>"]}}},
  "decoder": {"type": "Fuse"},
  "model": {"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false, "byte_fallback": false,
    "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4, "d": 5}, "merges": [["a", "b"], ["ab", "c"]]}
})";

}  // namespace

std::filesystem::path golden_folder(const std::string& name) { return distill::test::test_data("text") / name; }

Json read_golden(const std::string& name) { return read_json_file((golden_folder(name) / "golden.json").string()); }

std::vector<std::string> corpus_strings() {
  return read_json_file(golden_folder("corpus.json").string()).at("strings").get<std::vector<std::string>>();
}

std::vector<std::string> plane_strings() {
  std::vector<bool> unstable(0x20000, false);
  const Json corpus = read_json_file(golden_folder("corpus.json").string());
  for (const Json& range : corpus.at("unstable"))
    for (uint32_t c = range[0].get<uint32_t>(); c <= range[1].get<uint32_t>(); ++c) unstable.at(c) = true;
  std::vector<std::string> strings;
  for (uint32_t first = 0; first < 0x10000; first += 64) {
    std::string& text = strings.emplace_back();
    for (uint32_t c = first; c < first + 64; ++c) {
      if (unstable[c]) continue;
      append_utf8(text, c);
      text += c % 3 == 0 ? "a" : c % 3 == 1 ? " " : "";
    }
  }
  return strings;
}

std::string fingerprint_of(const Encoding& encoding) {
  uint64_t value = 0xCBF29CE484222325ULL;
  const auto add = [&](uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) value = (value ^ ((word >> shift) & 0xFF)) * 0x100000001B3ULL;
  };
  for (const int32_t id : encoding.ids) add(static_cast<uint32_t>(id));
  for (const auto& offset : encoding.offsets) add(offset.first);
  for (const auto& offset : encoding.offsets) add(offset.second);
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "distill_text_XXXXXX").string();
  if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TemporaryFolder::write(const std::string& file, const std::string& text) const {
  std::ofstream(path_ / file, std::ios::binary) << text;
}

std::string complaint_about(const std::string& tokenizer_json) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", tokenizer_json);
  try {
    load_tokenizer(folder.path());
    return "";
  } catch (const InputError& error) {
    EXPECT_EQ(error.complaints().size(), 1U);
    EXPECT_NE(error.complaints().front().where.find("tokenizer.json"), std::string::npos) << error.what();
    EXPECT_FALSE(error.complaints().front().advice.empty()) << error.what();
    return error.what();
  }
}

std::string complaint_about(const std::string& pointer, const std::string& value) {
  Json file = Json::parse(kSmallFile);
  file[Json::json_pointer(pointer)] = Json::parse(value);
  return complaint_about(file.dump());
}

std::unique_ptr<Tokenizer> small_tokenizer(const std::vector<std::pair<std::string, std::string>>& replaced) {
  Json file = Json::parse(kSmallFile);
  for (const auto& [pointer, value] : replaced) file[Json::json_pointer(pointer)] = Json::parse(value);
  const TemporaryFolder folder;
  folder.write("tokenizer.json", file.dump());
  return load_tokenizer(folder.path());
}

TEST(TextGoldens, AreCompleteAndCoverThePlane) {
  EXPECT_EQ(plane_strings().size(), 1024U);
  EXPECT_GT(corpus_strings().size(), 250U);
  for (const std::string& name : golden_names())
    EXPECT_EQ(read_golden(name).at("strings").size(), corpus_strings().size()) << name;
}

}  // namespace distill::testing
