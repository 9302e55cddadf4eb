// The plan of an update against the update itself, byte by byte as the CPU's allocator counts them.
#include <gtest/gtest.h>

#include "distill/core/json_reader.h"
#include "distill/model/checkpointing.h"

#include "plan/update_rig.h"

namespace distill::test {
namespace {

constexpr int64_t kVocabulary = 1024;

Json gemma2_shape(int64_t hidden, int64_t layers) {
  return {{"architectures", {"Gemma2ForCausalLM"}},
          {"model_type", "gemma2"},
          {"hidden_size", hidden},
          {"num_hidden_layers", layers},
          {"num_attention_heads", hidden / 32},
          {"num_key_value_heads", hidden / 64},
          {"head_dim", 32},
          {"intermediate_size", 3 * hidden},
          {"vocab_size", kVocabulary},
          {"max_position_embeddings", 4096},
          {"query_pre_attn_scalar", 32},
          {"sliding_window", 4096},
          {"hidden_activation", "gelu_pytorch_tanh"}};
}

Json bert_shape(int64_t hidden, int64_t layers) {
  return {{"architectures", {"BertForMaskedLM"}},
          {"model_type", "bert"},
          {"hidden_size", hidden},
          {"num_hidden_layers", layers},
          {"num_attention_heads", hidden / 32},
          {"intermediate_size", 4 * hidden},
          {"vocab_size", kVocabulary},
          {"type_vocab_size", 2},
          {"max_position_embeddings", 512},
          {"hidden_act", "gelu"}};
}

class MeasuredPlan : public testing::Test {
 protected:
  void SetUp() override {
    install_saved_tensor_hooks();
    at::manual_seed(7);
  }
  static UpdateCase llama(const std::string& name) {
    return {name, llama_shape(128, 4, kVocabulary), llama_shape(192, 3, kVocabulary, /*tied=*/false)};
  }
  static UpdateCase gpt2(const std::string& name) {
    return {name, gpt2_shape(128, 4, kVocabulary), gpt2_shape(192, 3, kVocabulary)};
  }

  // `share`: how far the plan may be from the measured peak.
  static void expect_near(const UpdateCase& wish, double share) {
    const PlannedAndMeasured both = plan_and_measure(wish, at::kCPU);
    const std::string text = wish.name + ": planned " + std::to_string(both.plan.peak().bytes) + " in " +
                             std::string(enum_name(both.plan.peak().phase)) + ", measured " + std::to_string(both.measured) +
                             ", ratio " + std::to_string(both.ratio());
    EXPECT_NEAR(both.ratio(), 1, share) << text;
    if (std::getenv("DISTILL_SHOW_PLANS")) std::printf("%s\n", text.c_str());
  }
};

constexpr GradientCheckpointing kModes[] = {GradientCheckpointing::none, GradientCheckpointing::selective,
                                            GradientCheckpointing::full};

TEST_F(MeasuredPlan, OfEveryCheckpointingInFloat32AndUnderAutocast) {
  for (const std::optional<at::ScalarType> autocast : {std::optional<at::ScalarType>(), std::optional(at::kBFloat16)})
    for (const GradientCheckpointing mode : kModes) {
      UpdateCase wish = llama(std::string("llama, ") + std::string(enum_name(mode)) + (autocast ? ", bfloat16" : ""));
      wish.autocast = autocast;
      wish.checkpointing = mode;
      expect_near(wish, 0.1);
    }
  for (const GradientCheckpointing mode : kModes) {
    UpdateCase wish = gpt2("gpt2, " + std::string(enum_name(mode)));
    wish.checkpointing = mode;
    expect_near(wish, 0.1);
  }
  UpdateCase narrow = gpt2("gpt2, float16");
  narrow.autocast = at::kHalf;
  expect_near(narrow, 0.1);
}

TEST_F(MeasuredPlan, OfTermsThatCompareLayers) {
  for (const GradientCheckpointing mode : kModes) {
    UpdateCase wish = llama("llama with layers, " + std::string(enum_name(mode)));
    wish.terms = {TermFunction::kl, TermFunction::hidden_mse, TermFunction::attention_mse};
    wish.checkpointing = mode;
    expect_near(wish, 0.1);
  }
  UpdateCase narrow = gpt2("gpt2 with layers, bfloat16");
  narrow.terms = {TermFunction::hidden_mse, TermFunction::attention_kl};
  narrow.autocast = at::kBFloat16;
  expect_near(narrow, 0.1);
  // Equal heads are compared map by map, and long rows make large maps.
  for (const TermFunction function :
       {TermFunction::attention_mse, TermFunction::attention_kl, TermFunction::minilm_attention, TermFunction::minilm_value,
        TermFunction::hidden_cosine, TermFunction::hidden_l1, TermFunction::pkd, TermFunction::gram}) {
    UpdateCase maps{std::string(enum_name(function)), llama_shape(128, 4, kVocabulary), llama_shape(128, 3, kVocabulary)};
    maps.terms = {function};
    maps.rows = 2;
    maps.length = 480;
    expect_near(maps, 0.1);
  }
}

TEST_F(MeasuredPlan, OfPackedRowsFrozenPartsAndOtherArrangements) {
  UpdateCase packed = llama("llama, packed");
  packed.documents_per_row = 2;
  expect_near(packed, 0.1);
  UpdateCase frozen = llama("llama, half frozen");
  frozen.freeze = {"embeddings", "layers.0", "layers.1"};
  expect_near(frozen, 0.1);
  UpdateCase dropped = gpt2("gpt2, attention dropout");
  dropped.attention_dropout = 0.1;
  expect_near(dropped, 0.1);
  expect_near({"gemma2", gemma2_shape(128, 3), gemma2_shape(192, 2)}, 0.1);
  expect_near({"bert", bert_shape(128, 3), bert_shape(192, 2)}, 0.1);
  UpdateCase narrow{"bert, bfloat16", bert_shape(128, 3), bert_shape(192, 2)};
  narrow.autocast = at::kBFloat16;
  expect_near(narrow, 0.1);
}

// A golden's config.json with sizes that weigh something; `sizes` may hold keys that this family does not have.
Json enlarged(const std::string& golden, const Json& sizes) {
  Json config = read_json_file((testing_model::data_folder() / golden / "config.json").string());
  for (const auto& [key, value] : sizes.items())
    if (config.contains(key)) config[key] = value;
  return config;
}

TEST_F(MeasuredPlan, OfEveryOtherArrangementOfHeadsAndBlocks) {
  const Json sizes = {{"hidden_size", 128},
                      {"intermediate_size", 384},
                      {"head_dim", 32},
                      {"max_position_embeddings", 512},
                      {"n_embd", 128},
                      {"n_head", 4},
                      {"rotary_dim", 16},
                      {"n_positions", 512},
                      {"vocab_size", kVocabulary},
                      {"bos_token_id", 1},
                      {"eos_token_id", 2}};
  for (const char* golden : {"phi3_plain", "gpt_neox_parallel", "gpt_neox_serial", "gptj_plain", "qwen3_plain", "gemma3_plain"})
    for (const bool lean : {false, true}) {
      const Json config = enlarged(golden, sizes);
      UpdateCase wish{std::string(golden) + (lean ? ", selective, bfloat16" : ""), config, config};
      wish.checkpointing = lean ? GradientCheckpointing::selective : GradientCheckpointing::none;
      if (lean) wish.autocast = at::kBFloat16;
      expect_near(wish, 0.1);
    }
}

TEST_F(MeasuredPlan, AnotherBatchOrAnotherModeIsFarOff) {
  const PlannedAndMeasured both = plan_and_measure(llama("llama"), at::kCPU);
  ASSERT_NEAR(both.ratio(), 1, 0.1);
  UpdateFacts other = both.facts;
  other.rows *= 2;
  other.kept_rows *= 2;
  EXPECT_GT(both.ratio(estimate_update(other)), 1.3);
  other = both.facts;
  other.checkpointing = GradientCheckpointing::selective;
  EXPECT_LT(both.ratio(estimate_update(other)), 0.88);
  other.checkpointing = GradientCheckpointing::full;
  EXPECT_LT(both.ratio(estimate_update(other)), 0.7);
  other = both.facts;
  other.teacher->weight_bytes = 16;
  EXPECT_GT(both.ratio(estimate_update(other)), 1.15);
}

}  // namespace
}  // namespace distill::test
