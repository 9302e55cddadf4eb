// config.json -> facts, against what transformers makes of the same files (scripts/goldens/make_spec.py), and every refusal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "distill/core/error.h"
#include "distill/spec/spec.h"

#include "paths.h"

namespace distill {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const Json& golden_cases() {
  static const Json cases = read_json_file(test::test_data("spec/families.json").string())["cases"];
  return cases;
}

Json llama_config() { return golden_cases()["tiny_llama"]["config"]; }
Json qwen_config() { return golden_cases()["qwen_2_5"]["config"]; }

std::string complaint(const Json& config) {
  try {
    read_spec(config, "folder/config.json");
  } catch (const InputError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::bad_input);
    EXPECT_FALSE(error.complaints().front().advice.empty());
    return error.what();
  }
  return "";
}

std::string complaint_with(Json config, const char* key, const Json& value) {
  config[key] = value;
  return complaint(config);
}

RopeScaling scaling_of(const std::string& word) {
  if (word == "linear") return RopeScaling::linear;
  if (word == "dynamic") return RopeScaling::dynamic;
  if (word == "yarn") return RopeScaling::yarn;
  if (word == "llama3") return RopeScaling::llama3;
  if (word == "longrope" || word == "su") return RopeScaling::longrope;
  EXPECT_EQ(word, "default");
  return RopeScaling::none;
}

TEST(ReadSpec, FindsTheWeightsThatTransformersBuilds) {
  for (const auto& [name, golden] : golden_cases().items()) {
    SCOPED_TRACE(name);
    const ModelSpec spec = read_spec(golden["config"], name);
    Json found = Json::object();
    for (const WeightRow& row : weight_rows(spec)) {
      EXPECT_TRUE(found.emplace(row.theirs, row.shape).second);
      EXPECT_EQ(row.matrix, row.shape.size() == 2);
    }
    EXPECT_EQ(nlohmann::json(found), nlohmann::json(golden["weights"]));
    EXPECT_EQ(count_parameters(spec), golden["parameters"].get<int64_t>());
  }
}

void expect_rope(const RopeSpec& found, const Json& rope, const ModelSpec& spec) {
  EXPECT_EQ(found.scaling, scaling_of(rope["rope_type"]));
  EXPECT_EQ(found.theta, rope["rope_theta"].get<double>());
  if (found.scaling != RopeScaling::longrope) EXPECT_EQ(found.factor, rope.value("factor", 1.0));
  EXPECT_EQ(found.original_max_positions, rope.value("original_max_position_embeddings", spec.max_positions));
  EXPECT_EQ(found.low_freq_factor, rope.value("low_freq_factor", 1.0));
  EXPECT_EQ(found.high_freq_factor, rope.value("high_freq_factor", 4.0));
  EXPECT_EQ(found.long_factors, rope.value("long_factor", std::vector<double>()));
  const double share = rope.value("partial_rotary_factor", 1.0);
  EXPECT_EQ(found.rotary_size, static_cast<int64_t>(static_cast<double>(spec.head_size) * share));
}

TEST(ReadSpec, FindsTheFactsThatTransformersFinds) {
  for (const auto& [name, golden] : golden_cases().items()) {
    SCOPED_TRACE(name);
    const ModelSpec spec = read_spec(golden["config"], name);
    EXPECT_EQ(spec.head_size, golden["head_dim"].get<int64_t>());
    EXPECT_EQ(spec.norm_eps, golden["norm_eps"].get<double>());
    ASSERT_EQ(spec.layers.size(), golden["windows"].size());
    for (size_t l = 0; l < spec.layers.size(); ++l) EXPECT_EQ(spec.layers[l].window, golden["windows"][l].get<int64_t>());
    EXPECT_EQ(spec.local_rope.has_value(), !golden["local_rope"].is_null());
    if (spec.local_rope) expect_rope(*spec.local_rope, golden["local_rope"], spec);
    if (!golden["rope"].is_null()) expect_rope(spec.rope, golden["rope"], spec);
  }
}

TEST(ReadSpec, ReadsBothFormsOfAConfigAlike) {
  for (const char* name : {"llama_3_2", "yarn", "windows", "biases", "dynamic"}) {
    const ModelSpec old_form = read_spec(golden_cases()[name]["config"], name);
    const ModelSpec new_form = read_spec(golden_cases()[std::string(name) + "_saved"]["config"], name);
    EXPECT_EQ(old_form.rope.theta, new_form.rope.theta);
    EXPECT_EQ(old_form.rope.scaling, new_form.rope.scaling);
    EXPECT_EQ(old_form.rope.factor, new_form.rope.factor);
    EXPECT_EQ(old_form.eos_ids, new_form.eos_ids);
    EXPECT_EQ(old_form.tie_embeddings, new_form.tie_embeddings);
    EXPECT_EQ(old_form.layers.back().window, new_form.layers.back().window);
  }
}

TEST(ReadSpec, ReadsIdsAndDtypes) {
  const ModelSpec spec = read_spec(golden_cases()["llama_3_2"]["config"], "config.json");
  EXPECT_EQ(spec.bos_id, 500);
  EXPECT_EQ(spec.pad_id, std::nullopt);
  EXPECT_EQ(spec.eos_ids, (std::vector<int64_t>{501, 508, 509}));
  EXPECT_EQ(spec.stored_dtype, "bfloat16");
  Json config = llama_config();
  config["pad_token_id"] = -1;
  config["dtype"] = "torch.float16";  // the newer key wins
  const ModelSpec changed = read_spec(config, "config.json");
  EXPECT_EQ(changed.pad_id, std::nullopt);
  EXPECT_EQ(changed.eos_ids, std::vector<int64_t>{2});
  EXPECT_EQ(changed.stored_dtype, "float16");
}

TEST(ReadSpec, KnowsTheActivationsThatDifferInNameOnly) {
  const std::pair<const char*, Activation> words[] = {{"silu", Activation::silu},
                                                      {"swish", Activation::silu},
                                                      {"gelu", Activation::gelu},
                                                      {"gelu_new", Activation::gelu_tanh},
                                                      {"gelu_pytorch_tanh", Activation::gelu_tanh},
                                                      {"relu", Activation::relu}};
  for (const auto& [word, activation] : words) {
    Json config = llama_config();
    config["hidden_act"] = word;
    EXPECT_EQ(read_spec(config, "config.json").activation, activation);
  }
  EXPECT_THAT(complaint_with(llama_config(), "hidden_act", "relu6"), AllOf(HasSubstr("hidden_act"), HasSubstr("relu6")));
}

TEST(ReadSpec, ReadsYarnInFull) {
  Json config = llama_config();
  config["rope_scaling"] = {{"rope_type", "yarn"},   {"factor", 4.0},     {"original_max_position_embeddings", 512},
                            {"beta_fast", 16},       {"beta_slow", 2},    {"mscale", 0.7},
                            {"mscale_all_dim", 0.5}, {"truncate", false}, {"attention_factor", nullptr},
                            {"finetuned", true}};
  const RopeSpec rope = read_spec(config, "config.json").rope;
  EXPECT_EQ(rope.scaling, RopeScaling::yarn);
  EXPECT_EQ(rope.original_max_positions, 512);
  EXPECT_EQ(rope.beta_fast, 16);
  EXPECT_EQ(rope.beta_slow, 2);
  EXPECT_EQ(rope.mscale, 0.7);
  EXPECT_EQ(rope.mscale_all_dim, 0.5);
  EXPECT_EQ(rope.attention_factor, std::nullopt);
  EXPECT_FALSE(rope.truncate);
}

TEST(ReadSpec, TakesAConfigWithoutArchitecturesByItsModelType) {
  Json config = qwen_config();
  config.erase("architectures");
  const ModelSpec spec = read_spec(config, "student.init.config");
  EXPECT_EQ(spec.architecture, "Qwen2ForCausalLM");
  EXPECT_TRUE(spec.qkv_bias);
  EXPECT_EQ(spec.config["architectures"], Json::array({"Qwen2ForCausalLM"}));
}

TEST(ReadSpec, KeepsTheConfigAsItWas) {
  const Json config = llama_config();
  EXPECT_EQ(read_spec(config, "config.json").config.dump(), config.dump());
}

TEST(ReadSpec, RefusesUnknownArchitecturesAndListsTheAvailableOnes) {
  const std::string text = complaint_with(llama_config(), "architectures", Json::array({"RwkvForCausalLM"}));
  EXPECT_THAT(text, AllOf(HasSubstr("RwkvForCausalLM"), HasSubstr("LlamaForCausalLM"), HasSubstr("Qwen2ForCausalLM")));
}

TEST(ReadSpec, SaysWhichArchitecturesComeLater) {
  for (const char* name : {"RobertaForMaskedLM", "OlmoForCausalLM", "PhiForCausalLM", "LlamaForSequenceClassification"})
    EXPECT_THAT(complaint_with(llama_config(), "architectures", Json::array({name})),
                HasSubstr(std::string(name) + " is not available yet"));
  Json config = llama_config();
  config.erase("architectures");
  EXPECT_THAT(complaint_with(config, "model_type", "opt"), HasSubstr("opt is not available yet"));
}

TEST(ReadSpec, RefusesAnUnknownKeyByNameAndSuggestsTheNearest) {
  EXPECT_THAT(complaint_with(llama_config(), "logit_scale", 0.5),
              AllOf(HasSubstr("logit_scale"), HasSubstr("may change the mathematics")));
  EXPECT_THAT(complaint_with(llama_config(), "rope_thta", 0.5), HasSubstr("Did you mean \"rope_theta\""));
  EXPECT_THAT(complaint_with(llama_config(), "sliding_window", 4096), HasSubstr("sliding_window"));  // a Llama has none
}

TEST(ReadSpec, LetsUnknownKeysPassThatCarryNothing) {
  for (const Json& nothing : {Json(), Json(""), Json::array(), Json::object()})
    EXPECT_EQ(complaint_with(llama_config(), "something_new", nothing), "");
}

TEST(ReadSpec, LetsKeysPassThatAreNotMathematics) {
  Json config = llama_config();
  for (const char* key : {"_name_or_path", "transformers_version", "use_cache", "id2label", "max_length", "temperature",
                          "unsloth_version", "transformers.js_config", "is_llama_config"})
    config[key] = "anything";
  config["rope_interleaved"] = false;
  EXPECT_EQ(complaint(config), "");
}

// Each change makes a config that must be refused, with the word that the message has to contain.
struct BadChange {
  const char* key;
  Json value;
  const char* word;
};

TEST(ReadSpec, RefusesVariantsThatAreNotBuilt) {
  const BadChange changes[] = {
      {"quantization_config", {{"quant_method", "bitsandbytes"}}, "quantization_config"},
      {"pretraining_tp", 2, "pretraining_tp"},
      {"rope_interleaved", true, "rope_interleaved"},
      {"partial_rotary_factor", 0.5, "partial_rotary_factor"},
      {"is_encoder_decoder", true, "is_encoder_decoder"},
      {"model_type", "mistral", "model_type"},
      {"dtype", "float8_e4m3fn", "float8_e4m3fn"},
      {"rope_scaling", {{"rope_type", "mrope"}, {"factor", 2.0}}, "not available yet"},
      {"rope_scaling", {{"rope_type", "spiral"}}, "spiral"},
      {"rope_parameters", {{"full_attention", {{"rope_type", "default"}}}}, "full_attention"},
  };
  for (const auto& [key, value, word] : changes) EXPECT_THAT(complaint_with(llama_config(), key, value), HasSubstr(word)) << key;
}

TEST(ReadSpec, RefusesAbsurdNumbersByName) {
  const Json bad_sizes[] = {0, -1, 2.5, "64", true, uint64_t{1} << 40, UINT64_MAX};
  for (const char* key : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "head_dim", "max_position_embeddings"})
    for (const Json& bad : bad_sizes) EXPECT_THAT(complaint_with(llama_config(), key, bad), HasSubstr(key)) << bad;
  const BadChange changes[] = {{"rms_norm_eps", -1e-6, "rms_norm_eps"},
                               {"rms_norm_eps", 1.0, "rms_norm_eps"},
                               {"attention_dropout", 1.0, "attention_dropout"},
                               {"attention_dropout", -0.1, "attention_dropout"},
                               {"initializer_range", -0.02, "initializer_range"},
                               {"rope_theta", 0, "rope_theta"},
                               {"rope_theta", -1, "rope_theta"},
                               {"rope_theta", "1e4", "rope_theta"},
                               {"tie_word_embeddings", 1, "tie_word_embeddings"},
                               {"eos_token_id", "2", "eos_token_id"},
                               {"eos_token_id", Json::array({2, 1.5}), "eos_token_id"},
                               {"architectures", "LlamaForCausalLM", "architectures"},
                               {"architectures", Json::array({"LlamaForCausalLM", "LlamaModel"}), "architectures"}};
  for (const auto& [key, value, word] : changes)
    EXPECT_THAT(complaint_with(llama_config(), key, value), HasSubstr(word)) << key << value;
}

TEST(ReadSpec, RefusesNumbersThatContradictEachOther) {
  EXPECT_THAT(complaint_with(llama_config(), "num_key_value_heads", 3), HasSubstr("num_key_value_heads"));
  EXPECT_THAT(complaint_with(llama_config(), "num_attention_heads", 7), HasSubstr("hidden_size"));  // no head_dim to go by
  EXPECT_THAT(complaint_with(llama_config(), "head_dim", 9), HasSubstr("even"));
  EXPECT_THAT(complaint_with(qwen_config(), "layer_types", Json::array({"full_attention"})), HasSubstr("layer_types"));
  EXPECT_THAT(complaint_with(qwen_config(), "layer_types", Json::array({"full_attention", "linear_attention"})),
              HasSubstr("linear_attention"));
  EXPECT_THAT(complaint_with(qwen_config(), "layer_types", Json::array({"full_attention", "sliding_attention"})),
              HasSubstr("layer_types"));
  Json config = qwen_config();
  config.erase("num_key_value_heads");  // transformers takes 32
  EXPECT_THAT(complaint(config), HasSubstr("num_key_value_heads"));
}

TEST(ReadSpec, RefusesSizesWhoseProductIsAbsurdBeforeMakingAnything) {
  Json config = llama_config();
  for (const char* key : {"vocab_size", "hidden_size", "intermediate_size"}) config[key] = int64_t{1} << 30;
  EXPECT_THAT(complaint(config), HasSubstr("parameters"));
}

TEST(ReadSpec, RefusesRopeSettingsThatAreIncompleteOrContradictory) {
  const auto rope = [](const Json& scaling) { return complaint_with(llama_config(), "rope_scaling", scaling); };
  EXPECT_THAT(rope({{"type", "linear"}}), HasSubstr("rope_scaling.factor"));
  EXPECT_THAT(rope({{"type", "linear"}, {"factor", 0}}), HasSubstr("factor"));
  EXPECT_THAT(rope({{"type", "default"}, {"factor", 2.0}}), HasSubstr("factor"));
  EXPECT_THAT(rope({{"type", "linear"}, {"factor", 2.0}, {"power", 2}}), HasSubstr("rope_scaling.power"));
  EXPECT_THAT(rope({{"type", "dynamic"}, {"factor", 2.0}, {"original_max_position_embeddings", 77}}),
              HasSubstr("original_max_position"));
  EXPECT_THAT(rope({{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 4.0}, {"high_freq_factor", 4.0}}),
              HasSubstr("high_freq_factor"));
  EXPECT_THAT(rope({{"rope_type", "llama3"}, {"factor", 8.0}, {"high_freq_factor", 4.0}}), HasSubstr("low_freq_factor"));
  EXPECT_THAT(rope({{"rope_type", "yarn"}, {"factor", 2.0}, {"beta_fast", 1}, {"beta_slow", 5}}), HasSubstr("beta_fast"));
  EXPECT_THAT(rope({{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 5.0}}), HasSubstr("rope_theta"));
  EXPECT_THAT(rope(Json::array({1})), HasSubstr("rope_scaling"));
  Json both = llama_config();
  both["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  both["rope_parameters"] = {{"rope_type", "default"}};
  EXPECT_THAT(complaint(both), HasSubstr("rope_parameters"));
}

TEST(ReadSpec, RefusesIncompleteLongRope) {
  const Json phi = golden_cases()["phi_4"]["config"];
  const auto with = [&](const char* key, const Json& value) {
    Json config = phi;
    config["rope_scaling"][key] = value;
    return complaint(config);
  };
  EXPECT_EQ(complaint(phi), "");
  EXPECT_THAT(with("short_factor", Json::array({1.0})), HasSubstr("rope_scaling.short_factor"));
  EXPECT_THAT(with("long_factor", Json()), HasSubstr("rope_scaling.long_factor"));
  EXPECT_THAT(with("long_factor", Json::array({1, 1, 1, 1, 1, -1})), HasSubstr("above 0"));
  EXPECT_THAT(with("short_mscale", 1.2), HasSubstr("short_mscale"));
  EXPECT_THAT(complaint_with(phi, "partial_rotary_factor", 1.5), HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(complaint_with(phi, "partial_rotary_factor", 0.2), HasSubstr("even"));
}

TEST(ReadSpec, RefusesVariantsOfTheOtherFamiliesThatAreNotBuilt) {
  const std::tuple<const char*, const char*, Json> changes[] = {{"gemma", "use_bidirectional_attention", true},
                                                                {"gemma", "hidden_activation", "relu"},
                                                                {"gemma_2", "query_pre_attn_scalar", 0},
                                                                {"gemma_2", "attn_logit_softcapping", -1.0},
                                                                {"gemma_3", "sliding_window_pattern", 0},
                                                                {"phi_3", "attention_bias", true},
                                                                {"phi_3", "embd_pdrop", 0.1},
                                                                {"gptj", "rotary_dim", 15},
                                                                {"gptj", "rotary_dim", Json()},
                                                                {"gptj", "rotary_dim", 34},
                                                                {"gpt2", "add_cross_attention", true},
                                                                {"gpt2", "head_dim", 16},
                                                                {"pythia", "rotary_pct", 2.0},
                                                                {"bert", "position_embedding_type", "relative_key"},
                                                                {"bert", "hidden_dropout_prob", 1.0},
                                                                {"bert_classes", "problem_type", "regression"},
                                                                {"bert_classes", "id2label", {{"0", "a"}, {"2", "b"}}},
                                                                {"bert_classes", "num_labels", 2},
                                                                {"distilbert", "sinusoidal_pos_embds", true},
                                                                {"mistral", "sliding_window", 0},
                                                                {"qwen_3", "head_dim", 7}};
  for (const auto& [name, key, value] : changes)
    EXPECT_THAT(complaint_with(golden_cases()[name]["config"], key, value), Not(testing::IsEmpty())) << name << " " << key;
}

TEST(ReadSpec, IgnoresCodeThatABuiltInArchitectureBrings) {
  EXPECT_EQ(complaint_with(llama_config(), "auto_map", {{"AutoModelForCausalLM", "modeling_x.XForCausalLM"}}), "");
}

TEST(ReadSpec, TakesTheTaskFromTheArchitectureOrAsAsked) {
  const Json bert = golden_cases()["bert"]["config"];
  EXPECT_EQ(read_spec(bert, "bert").task, Task::masked_lm);
  EXPECT_EQ(read_spec(golden_cases()["minilm"]["config"], "minilm").task, Task::embedding);
  const ModelSpec classifier = read_spec(golden_cases()["bert_classes"]["config"], "classes");
  EXPECT_EQ(classifier.task, Task::sequence_classification);
  EXPECT_EQ(classifier.num_classes, 3);
  EXPECT_EQ(classifier.head_width(), 3);
  const ModelSpec embedding = read_spec(bert, "bert", Task::embedding);
  EXPECT_EQ(embedding.architecture, "BertModel");
  EXPECT_EQ(embedding.config["architectures"], Json::array({"BertModel"}));
  EXPECT_EQ(embedding.head_width(), 0);
  try {
    read_spec(llama_config(), "llama", Task::masked_lm);
    ADD_FAILURE() << "a Llama that fills masks";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("causal_lm"), HasSubstr("masked_lm")));
  }
}

TEST(ReadSpec, KnowsTheOtherNamesOfWeights) {
  const ModelSpec gpt2 = read_spec(golden_cases()["gpt2"]["config"], "gpt2");
  const auto names = [](const ModelSpec& spec, const std::string& ours) {
    for (const WeightRow& row : weight_rows(spec))
      if (row.ours == ours) return checkpoint_names(spec, row);
    return std::vector<std::string>();
  };
  EXPECT_THAT(names(gpt2, "embedding.weight"), testing::ElementsAre("transformer.wte.weight", "wte.weight"));
  const ModelSpec bert = read_spec(golden_cases()["bert"]["config"], "bert");
  EXPECT_THAT(names(bert, "embedding_norm.bias"),
              testing::ElementsAre("bert.embeddings.LayerNorm.bias", "embeddings.LayerNorm.bias",
                                   "bert.embeddings.LayerNorm.beta", "embeddings.LayerNorm.beta"));
  const ModelSpec minilm = read_spec(golden_cases()["minilm"]["config"], "minilm");
  EXPECT_THAT(names(minilm, "embedding.weight"),
              testing::ElementsAre("embeddings.word_embeddings.weight", "bert.embeddings.word_embeddings.weight"));
  EXPECT_EQ(kind_of_surplus(gpt2, "h.3.attn.bias"), Surplus::buffer);
  EXPECT_EQ(kind_of_surplus(gpt2, "lm_head.weight"), Surplus::tied_head);
  EXPECT_EQ(kind_of_surplus(bert, "cls.seq_relationship.bias"), Surplus::other_head);
  EXPECT_EQ(kind_of_surplus(bert, "bert.pooler.dense.weight"), Surplus::other_head);
  EXPECT_EQ(kind_of_surplus(minilm, "cls.predictions.decoder.weight"), Surplus::other_head);
  EXPECT_EQ(kind_of_surplus(bert, "bert.encoder.layer.9.output.dense.bias"), Surplus::foreign);
}

TEST(ReadSpec, RefusesAConfigThatIsNoObject) {
  for (const Json& wrong : {Json::array(), Json("text"), Json(1), Json()})
    EXPECT_THAT(complaint(wrong), HasSubstr("a JSON object"));
}

}  // namespace
}  // namespace distill
