#include "distill/tensor/dtype.h"

#include <gtest/gtest.h>

#include <string>

namespace distill {
namespace {

TEST(Dtype, NamesGoBothWays) {
  for (const char* word : {"BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64", "F16", "BF16", "F32", "F64", "C64",
                           "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0"}) {
    const auto dtype = dtype_from_safetensors(word);
    ASSERT_TRUE(dtype) << word;
    EXPECT_EQ(safetensors_word(*dtype), word);
    EXPECT_EQ(dtype_from_word(dtype_word(*dtype)), dtype);
  }
}

TEST(Dtype, ReadsTheWordsOfConfigFiles) {
  EXPECT_EQ(dtype_from_word("torch.bfloat16"), at::kBFloat16);
  EXPECT_EQ(dtype_from_word("float32"), at::kFloat);
  EXPECT_EQ(dtype_from_word("fp32"), std::nullopt);
}

TEST(Dtype, KnowsTheWordsWithoutATensor) {
  for (const char* word : {"F4", "F6_E2M3", "F6_E3M2"}) {
    EXPECT_FALSE(dtype_from_safetensors(word));
    EXPECT_TRUE(is_unsupported_safetensors_word(word));
  }
  EXPECT_FALSE(dtype_from_safetensors("f32"));
  EXPECT_FALSE(is_unsupported_safetensors_word("F32"));
  EXPECT_EQ(safetensors_word(at::kComplexDouble), "");
}

}  // namespace
}  // namespace distill
