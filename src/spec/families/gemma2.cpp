// Gemma2ForCausalLM: Gemma with norms on both sides of each sublayer, soft caps, and a window on every other layer; and
// Gemma3ForCausalLM (text): with norms over query and key heads, and its own rotary base for layers with a window.
// Source: transformers, models/gemma2 and models/gemma3, {configuration,modeling}_*.py.
#include <cmath>

#include "../families.h"
#include "../rope_config.h"

namespace distill {

void read_layer_types(ConfigReader& config, ModelSpec& spec, int64_t window, bool (*is_full)(int64_t layer, int64_t pattern),
                      int64_t pattern) {
  const auto types = config.words("layer_types", spec.num_layers);
  for (int64_t l = 0; l < spec.num_layers; ++l) {
    const std::string type = !types.empty() ? types[l] : is_full(l, pattern) ? "full_attention" : "sliding_attention";
    if (type != "full_attention" && type != "sliding_attention")
      config.refuse("layer_types", "full_attention or sliding_attention", "\"" + type + "\"");
    spec.layers[l].window = type == "sliding_attention" ? window : 0;
  }
}

namespace {

constexpr Architecture kGemma2Architectures[] = {{"Gemma2ForCausalLM", Task::causal_lm}};
constexpr Architecture kGemma3Architectures[] = {{"Gemma3ForCausalLM", Task::causal_lm}};

constexpr WeightName kNames[] = {
    {"embedding.weight", "model.embed_tokens.weight"},
    {"layers.{l}.attention_norm.weight", "model.layers.{l}.input_layernorm.weight"},
    {"layers.{l}.attention.q.weight", "model.layers.{l}.self_attn.q_proj.weight"},
    {"layers.{l}.attention.q.bias", "model.layers.{l}.self_attn.q_proj.bias"},
    {"layers.{l}.attention.k.weight", "model.layers.{l}.self_attn.k_proj.weight"},
    {"layers.{l}.attention.k.bias", "model.layers.{l}.self_attn.k_proj.bias"},
    {"layers.{l}.attention.v.weight", "model.layers.{l}.self_attn.v_proj.weight"},
    {"layers.{l}.attention.v.bias", "model.layers.{l}.self_attn.v_proj.bias"},
    {"layers.{l}.attention.out.weight", "model.layers.{l}.self_attn.o_proj.weight"},
    {"layers.{l}.attention.out.bias", "model.layers.{l}.self_attn.o_proj.bias"},
    {"layers.{l}.attention.q_norm.weight", "model.layers.{l}.self_attn.q_norm.weight"},
    {"layers.{l}.attention.k_norm.weight", "model.layers.{l}.self_attn.k_norm.weight"},
    {"layers.{l}.attention_post_norm.weight", "model.layers.{l}.post_attention_layernorm.weight"},
    {"layers.{l}.mlp_norm.weight", "model.layers.{l}.pre_feedforward_layernorm.weight"},
    {"layers.{l}.mlp.gate.weight", "model.layers.{l}.mlp.gate_proj.weight"},
    {"layers.{l}.mlp.up.weight", "model.layers.{l}.mlp.up_proj.weight"},
    {"layers.{l}.mlp.down.weight", "model.layers.{l}.mlp.down_proj.weight"},
    {"layers.{l}.mlp_post_norm.weight", "model.layers.{l}.post_feedforward_layernorm.weight"},
    {"final_norm.weight", "model.norm.weight"},
    {"head.weight", "lm_head.weight"},
};

std::span<const WeightName> names() { return kNames; }

double read_cap(ConfigReader& config, const char* key, double fallback) {
  if (config.holds(key) && !config.find(key)) return 0;
  const double cap = config.number_or(key, fallback);
  if (cap < 0 || (config.find(key) && cap == 0)) config.refuse(key, "a number above 0, or null", short_text(Json(cap)));
  return cap;
}

// What both generations share. Caps that are absent: `attention_cap`, `logit_cap`.
void read_common(ConfigReader& config, ModelSpec& spec, double attention_cap, double logit_cap) {
  if (!config.holds("num_key_value_heads")) spec.num_kv_heads = 4;
  if (!config.holds("head_dim")) spec.head_size = 256;
  spec.norm = NormKind::rms_plus_one;
  spec.placement = NormPlacement::sandwich;
  spec.embedding_scale = std::sqrt(static_cast<double>(spec.hidden_size));
  spec.qkv_bias = spec.attention_out_bias = config.flag_or("attention_bias", false);
  spec.tie_embeddings = config.flag_or("tie_word_embeddings", true);
  const double scalar = config.number_or("query_pre_attn_scalar", 256);
  if (!(scalar > 0)) config.refuse("query_pre_attn_scalar", "a number above 0", short_text(Json(scalar)));
  spec.attention_scale = 1 / std::sqrt(scalar);
  spec.attention_soft_cap = read_cap(config, "attn_logit_softcapping", attention_cap);
  spec.logit_soft_cap = read_cap(config, "final_logit_softcapping", logit_cap);
  config.must_be("use_bidirectional_attention", false);
}

int64_t read_window(ConfigReader& config) {
  const bool null_window = config.holds("sliding_window") && !config.find("sliding_window");
  return null_window ? 0 : config.size_or("sliding_window", 4096);
}

void read_gemma2(ConfigReader& config, ModelSpec& spec) {
  spec.max_positions = config.size_or("max_position_embeddings", 8192);
  read_common(config, spec, 50, 30);
  spec.rope = read_rope(config, spec, 10000);
  read_layer_types(
      config, spec, read_window(config), [](int64_t layer, int64_t) { return layer % 2 == 1; }, 2);
  config.must_be("hidden_act", "gelu_pytorch_tanh");  // beside hidden_activation in the first releases
  config.harmless("sliding_window_size");             // an older word for sliding_window, in files that hold both
}

void read_gemma3(ConfigReader& config, ModelSpec& spec) {
  spec.max_positions = config.size_or("max_position_embeddings", 131072);
  read_common(config, spec, 0, 0);
  spec.qk_norm = true;
  const int64_t pattern = config.size_or("sliding_window_pattern", config.size_or("_sliding_window_pattern", 6));
  read_layer_types(
      config, spec, read_window(config), [](int64_t layer, int64_t every) { return (layer + 1) % every == 0; }, pattern);
  RopePair pair = read_rope_pair(config, spec, 1e6, 1e4);
  spec.rope = pair.full;
  spec.local_rope = pair.sliding;
  const auto types = config.words("layer_types", spec.num_layers);
  for (int64_t l = 0; l < spec.num_layers; ++l)
    spec.layers[l].local_rope = types.empty() ? (l + 1) % pattern != 0 : types[l] == "sliding_attention";
}

constexpr ConfigKeys kKeys = {.num_kv_heads = "num_key_value_heads",
                              .head_size = "head_dim",
                              .activation = "hidden_activation",
                              .default_activation = "gelu_pytorch_tanh",
                              .layer_types = true};

}  // namespace

const Family kGemma2 = {"gemma2", kGemma2Architectures, kKeys, "model.", {}, read_gemma2, names};
const Family kGemma3 = {"gemma3_text", kGemma3Architectures, kKeys, "model.", {}, read_gemma3, names};

}  // namespace distill
