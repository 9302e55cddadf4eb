#include "distill/text/vocabulary.h"

#include <gtest/gtest.h>

#include "distill/core/error.h"

namespace distill {
namespace {

class ListTokenizer : public Tokenizer {
 public:
  explicit ListTokenizer(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}
  Encoding encode(std::string_view, bool) const override { return {}; }
  std::string decode(std::span<const int32_t>, bool) const override { return ""; }
  int64_t num_ids() const override { return static_cast<int64_t>(tokens_.size()); }
  std::optional<int32_t> id_of(std::string_view) const override { return std::nullopt; }
  std::optional<std::string> token_of(int32_t id) const override {
    return static_cast<size_t>(id) < tokens_.size() ? std::optional(tokens_[static_cast<size_t>(id)]) : std::nullopt;
  }
  std::optional<int32_t> eos_id() const override { return std::nullopt; }
  std::optional<int32_t> mask_id() const override { return std::nullopt; }
  std::optional<int32_t> pad_id() const override { return std::nullopt; }
  bool is_special(int32_t) const override { return false; }
  uint64_t fingerprint() const override { return reinterpret_cast<uintptr_t>(this); }

 private:
  std::vector<std::string> tokens_;
};

TEST(Vocabulary, PaddingOfAHeadIsDropped) {
  const ListTokenizer tokenizer({"a", "b", "c"});
  const ListTokenizer same({"a", "b", "c"});
  const CommonVocabulary common = common_vocabulary({&tokenizer, 8}, {&same, 4}, false);
  EXPECT_EQ(common.width, 4);
  EXPECT_EQ(common.dropped, 4);
}

// Heads of one model family that are padded differently: 151,665 ids have names, the heads have 151,936 and 152,064 rows.
TEST(Vocabulary, HeadsOfDifferentPaddingAgreeOnTheSmallerWidth) {
  std::vector<std::string> tokens;
  for (int id = 0; id < 151665; ++id) tokens.push_back("t" + std::to_string(id));
  const ListTokenizer teacher(tokens), student(tokens);
  for (const auto& [teacher_width, student_width] : {std::pair{152064, 151936}, {151936, 152064}}) {
    const CommonVocabulary common = common_vocabulary({&teacher, teacher_width}, {&student, student_width}, false);
    EXPECT_EQ(common.width, 151936);
    EXPECT_EQ(common.dropped, 128);
  }
  tokens.resize(151937, "named");
  const ListTokenizer longer(tokens);
  EXPECT_THROW(common_vocabulary({&longer, 152064}, {&student, 151936}, false), InputError);
}

TEST(Vocabulary, DifferentTokensAreShown) {
  const ListTokenizer teacher({"a", "b", "c"}), student({"a", "x", "c"});
  try {
    common_vocabulary({&teacher, 3}, {&student, 3}, false);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("id 1 is \"b\" for the teacher and \"x\" for the student"), std::string::npos)
        << error.what();
  }
  EXPECT_EQ(common_vocabulary({&teacher, 3}, {&student, 3}, true).width, 3);
}

TEST(Vocabulary, ANamedIdAboveTheSmallerWidthIsRefused) {
  const ListTokenizer teacher({"a", "b", "c", "d", "e"}), student({"a", "b", "c"});
  EXPECT_THROW(common_vocabulary({&teacher, 5}, {&student, 3}, false), InputError);
}

TEST(Vocabulary, WithoutTokenizersTheWidthsMustMatch) {
  EXPECT_EQ(common_vocabulary({nullptr, 7}, {nullptr, 7}, false).width, 7);
  EXPECT_THROW(common_vocabulary({nullptr, 8}, {nullptr, 7}, false), InputError);
}

}  // namespace
}  // namespace distill
