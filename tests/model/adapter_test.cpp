// Adapters merged into their base, against peft (scripts/goldens/make_adapter.py), and what is refused by name.
#include "distill/model/adapter.h"

#include <fstream>

#include "distill/checkpoint/open.h"
#include "distill/core/error.h"
#include "distill/core/file.h"

#include "model/support.h"

using namespace distill;
using namespace distill::testing_model;

namespace {

std::filesystem::path adapter_folder(const std::string& name) { return test::test_data("adapter") / name; }

std::filesystem::path base_of(const std::string& name) {
  std::ifstream file(adapter_folder(name) / "base.txt");
  std::string base;
  file >> base;
  return data_folder() / base;
}

Json config_of(const std::string& name) { return read_json_file((adapter_folder(name) / "adapter_config.json").string()); }

std::unique_ptr<TensorSource> merged(const std::string& name, const LoraFacts& facts, const std::filesystem::path& base) {
  const std::filesystem::path safe = adapter_folder(name) / "adapter_model.safetensors";
  auto adapter = open_weights(std::filesystem::exists(safe) ? safe : adapter_folder(name) / "adapter_model.bin");
  return merge_adapter(read_spec_file(base.string()), open_hf_folder(base).weights, std::move(adapter), facts);
}

template <class Action>
std::string refusal(const Action& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

class Adapters : public ::testing::TestWithParam<const char*> {};

TEST_P(Adapters, MergedWeightsAndLogitsEqualThoseOfPeft) {
  const std::filesystem::path base = base_of(GetParam());
  const auto golden = read_tensors(adapter_folder(GetParam()) / "merged.safetensors");
  const auto untouched = read_tensors(base / "model.safetensors");
  const auto source = merged(GetParam(), read_lora_config(config_of(GetParam()), "adapter_config.json"), base);
  const ModelSpec spec = read_spec_file(base.string());
  const WeightMap weights = read_weights(spec, *source, {});
  int64_t num_merged = 0;
  for (size_t i = 0; i < weights.rows().size(); ++i) {
    const std::string& name = weights.rows()[i].theirs;
    EXPECT_LT(relative_error(weights.tensor(i), golden.at(name)), 1e-6) << name;
    if (untouched.count(name) && !at::equal(weights.tensor(i), untouched.at(name))) ++num_merged;
  }
  EXPECT_GT(num_merged, spec.num_layers);
  const at::Tensor ids = golden.at("ids");
  Needs needs;
  needs.logits = true;
  const Document document(ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + ids.numel());
  const ForwardOutput output = Transformer::from_weights(spec, weights).forward(make_batch({{document}}), needs, {});
  EXPECT_LT(relative_error(output.logits_BTV()[0], golden.at("logits")), 2e-4);
}

INSTANTIATE_TEST_SUITE_P(Model, Adapters, ::testing::Values("llama", "llama_rslora", "gpt2", "gpt_neox"),
                         [](const auto& info) { return std::string(info.param); });

TEST(AdapterConfig, TheScaleIsAlphaOverRankOrOverItsRoot) {
  Json config = config_of("llama");
  EXPECT_DOUBLE_EQ(read_lora_config(config, "c").scale, 5.0 / 3);
  config["use_rslora"] = true;
  EXPECT_DOUBLE_EQ(read_lora_config(config, "c").scale, 5 / std::sqrt(3.0));
}

TEST(AdapterConfig, WhatMakesAnotherWeightIsRefusedByName) {
  const std::pair<const char*, Json> cases[] = {{"peft_type", "IA3"},
                                                {"use_dora", true},
                                                {"bias", "lora_only"},
                                                {"lora_bias", true},
                                                {"modules_to_save", {"score"}},
                                                {"rank_pattern", {{"q_proj", 2}}},
                                                {"alpha_pattern", {{"q_proj", 2}}},
                                                {"init_lora_weights", "pissa"},
                                                {"layer_replication", {{0, 1}}},
                                                {"trainable_token_indices", {1}},
                                                {"a_key_of_tomorrow", 3},
                                                {"r", 0}};
  for (const auto& [key, value] : cases) {
    Json config = config_of("llama");
    config[key] = value;
    EXPECT_NE(refusal([&] { read_lora_config(config, "c"); }).find(key), std::string::npos) << key;
  }
  Json config = config_of("llama");
  config["init_lora_weights"] = "gaussian";
  EXPECT_EQ(refusal([&] { read_lora_config(config, "c"); }), "");
}

TEST(Adapter, EveryTensorFindsItsWeightOrIsNamed) {
  const LoraFacts facts{3, 1};
  EXPECT_NE(refusal([&] { merged("llama", facts, data_folder() / "gpt2_plain"); }).find("model.layers.0.mlp.down_proj"),
            std::string::npos);
  EXPECT_NE(refusal([&] { merged("llama", facts, data_folder() / "llama_plain"); }).find("v_proj: expected lora_A [3, 24]"),
            std::string::npos);
  EXPECT_NE(refusal([&] { merged("llama", {4, 1}, base_of("llama")); }).find("lora_A [4, 29]"), std::string::npos);
}

}  // namespace
