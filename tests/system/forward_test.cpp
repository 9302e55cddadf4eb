// `distill forward`: the signals that it writes are the goldens of transformers, and bad rows are refused with their place.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "distill/core/file.h"
#include "distill/core/json_reader.h"

#include "paths.h"
#include "system/process.h"

using namespace distill;
using namespace distill::test;

namespace {

// A safetensors file in memory, by hand: a length, a JSON header, bytes.
class Tensors {
 public:
  explicit Tensors(const std::filesystem::path& file) : bytes_(read_file(file)) {
    uint64_t length = 0;
    std::memcpy(&length, bytes_.data(), sizeof(length));
    header_ = parse_json(std::string_view(bytes_).substr(8, length), file.string());
    begin_ = 8 + length;
  }
  bool has(const std::string& name) const { return header_.contains(name); }
  std::vector<int64_t> shape(const std::string& name) const { return header_.at(name).at("shape").get<std::vector<int64_t>>(); }
  template <class Value>
  std::vector<Value> values(const std::string& name) const {
    const auto range = header_.at(name).at("data_offsets").get<std::vector<uint64_t>>();
    std::vector<Value> result((range[1] - range[0]) / sizeof(Value));
    std::memcpy(result.data(), bytes_.data() + begin_ + range[0], range[1] - range[0]);
    return result;
  }

 private:
  std::string bytes_;
  Json header_;
  uint64_t begin_ = 0;
};

std::string model_of(const std::string& name) { return (test_data("model") / name).string(); }

std::string row_of(const std::vector<int64_t>& ids) { return Json{{"input_ids", ids}}.dump() + "\n"; }

void expect_equal(const Tensors& found, const std::string& name, const Tensors& golden, const std::string& golden_name) {
  ASSERT_TRUE(found.has(name)) << name;
  EXPECT_EQ(found.shape(name), golden.shape(golden_name));
  const auto a = found.values<float>(name), b = golden.values<float>(golden_name);
  double largest = 0, difference = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    largest = std::max(largest, std::abs(double(b[i])));
    difference = std::max(difference, std::abs(double(a[i]) - double(b[i])));
  }
  EXPECT_LT(difference, 2e-4 * largest) << name;
}

TEST(Forward, WritesLogitsHiddenStatesAndMapsAsTransformersCountsThem) {
  const Workplace place;
  const Tensors golden(test_data("model") / "qwen2_window" / "golden.safetensors");
  place.write("rows.jsonl", row_of(golden.values<int64_t>("ids.0")) + row_of(golden.values<int64_t>("ids.1")));
  const Outcome outcome = place.run({"forward", "--model", model_of("qwen2_window"), "--input", "rows.jsonl", "--output",
                                     "new/out.safetensors", "--hidden", "--attentions", "--device", "cpu"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Tensors found(place.file("new/out.safetensors"));
  for (int row = 0; row < 2; ++row) {
    const std::string mine = "row" + std::to_string(row) + ".", theirs = "." + std::to_string(row);
    expect_equal(found, mine + "logits", golden, "logits" + theirs);
    for (int l = 0; l <= 3; ++l) {
      const std::string layer = "." + std::to_string(l);
      expect_equal(found, mine + "hidden_states" + layer, golden, "hidden" + theirs + layer);
      if (l < 3) expect_equal(found, mine + "attentions" + layer, golden, "attention" + theirs + layer);
    }
  }
  EXPECT_FALSE(found.has("row2.logits"));
}

TEST(Forward, WritesLogitsAloneUnlessAsked) {
  const Workplace place;
  place.write("rows.jsonl", row_of({1, 2, 3}));
  ASSERT_EQ(
      place.run({"forward", "--model", model_of("llama_tied"), "--input", "rows.jsonl", "--output", "o.safetensors"}).exit_code,
      0);
  const Tensors found(place.file("o.safetensors"));
  EXPECT_EQ(found.shape("row0.logits"), (std::vector<int64_t>{3, 43}));
  EXPECT_FALSE(found.has("row0.hidden_states.0"));
  EXPECT_FALSE(found.has("row0.attentions.0"));
}

TEST(Forward, BadRowsAreRefusedWithFileAndLineAndNothingIsLeftBehind) {
  const std::pair<const char*, const char*> cases[] = {{"{\"input_ids\": [1, 2]}\n{\"input_ids\": [1, 43]}\n", "rows.jsonl:2"},
                                                       {"{\"input_ids\": [1, 2]\n", "rows.jsonl:1"},
                                                       {"{\"input_ids\": []}\n", "rows.jsonl:1"},
                                                       {"{\"input_ids\": [-1]}\n", "rows.jsonl:1"},
                                                       {"{\"prompt\": \"a\", \"completion\": \"b\"}\n", "rows.jsonl:1"},
                                                       {"", "rows.jsonl"}};
  for (const auto& [text, where] : cases) {
    const Workplace place;
    place.write("rows.jsonl", text);
    const Outcome outcome =
        place.run({"forward", "--model", model_of("llama_tied"), "--input", "rows.jsonl", "--output", "o.safetensors"});
    EXPECT_EQ(outcome.exit_code, 65) << text << outcome.err;
    EXPECT_NE(outcome.err.find(where), std::string::npos) << outcome.err;
    size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(place.path())) ++files;
    EXPECT_EQ(files, 1u) << text;
  }
}

}  // namespace
