// Counts from facts: known sizes of published models, and sums done by hand.
#include <gtest/gtest.h>

#include "distill/spec/spec.h"

namespace distill {
namespace {

Json llama_3_2_1b() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"vocab_size", 128256},
          {"hidden_size", 2048},
          {"intermediate_size", 8192},
          {"num_hidden_layers", 16},
          {"num_attention_heads", 32},
          {"num_key_value_heads", 8},
          {"head_dim", 64},
          {"tie_word_embeddings", true},
          {"max_position_embeddings", 131072}};
}

TEST(Counts, MatchPublishedSizes) {
  EXPECT_EQ(count_parameters(read_spec(llama_3_2_1b(), "Llama-3.2-1B")), 1'235'814'400);
  const Json qwen = {{"architectures", {"Qwen2ForCausalLM"}},
                     {"vocab_size", 151936},
                     {"hidden_size", 896},
                     {"intermediate_size", 4864},
                     {"num_hidden_layers", 24},
                     {"num_attention_heads", 14},
                     {"num_key_value_heads", 2},
                     {"tie_word_embeddings", true}};
  EXPECT_EQ(count_parameters(read_spec(qwen, "Qwen2.5-0.5B")), 494'032'768);
}

TEST(Counts, TiedHeadsHaveNoRowOfTheirOwn) {
  Json config = llama_3_2_1b();
  EXPECT_EQ(weight_rows(read_spec(config, "tied")).back().ours, "final_norm.weight");
  config["tie_word_embeddings"] = false;
  const ModelSpec untied = read_spec(config, "untied");
  EXPECT_EQ(weight_rows(untied).back().ours, "head.weight");
  EXPECT_EQ(count_parameters(untied), 1'235'814'400 + int64_t{128256} * 2048);
}

TEST(Counts, FlopsAreTwicePerWeightAndFourPerChannelAndKey) {
  ModelSpec spec = read_spec(llama_3_2_1b(), "Llama-3.2-1B");
  const double matrices = 2.0 * (1'235'814'400 - 33 * 2048);  // all but the norms; the tied matrix is the head
  const double length = 1024, keys = (length + 1) / 2;
  EXPECT_DOUBLE_EQ(forward_flops_per_token(spec, 1024), matrices + 16 * 4 * 2048 * keys);
  for (LayerSpec& layer : spec.layers) layer.window = 1;
  EXPECT_DOUBLE_EQ(forward_flops_per_token(spec, 1024), matrices + 16 * 4 * 2048);
}

TEST(Counts, ActivationsGrowWithDepth) {
  ModelSpec spec = read_spec(llama_3_2_1b(), "Llama-3.2-1B");
  const double whole = activation_bytes_per_token(spec);
  spec.num_layers = 8;
  const double half = activation_bytes_per_token(spec);
  EXPECT_GT(whole, half);
  EXPECT_LT(whole, 2 * half);  // the part outside the blocks stays
}

}  // namespace
}  // namespace distill
