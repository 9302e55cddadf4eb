// GPTNeoXForCausalLM (Pythia, GPT-NeoX-20B): attention and mlp side by side, each behind its own layer norm, or one after the
// other; one matrix with query, key and value of head after head; partly rotated heads.
// Source: transformers, models/gpt_neox/{configuration,modeling}_gpt_neox.py.
#include "../families.h"
#include "../rope_config.h"

namespace distill {
namespace {

constexpr Architecture kArchitectures[] = {{"GPTNeoXForCausalLM", Task::causal_lm}};
constexpr std::string_view kBuffers[] = {".attention.bias", ".attention.masked_bias", "rotary_emb.inv_freq"};

constexpr WeightName kNames[] = {
    {"embedding.weight", "gpt_neox.embed_in.weight"},
    {"layers.{l}.attention_norm.weight", "gpt_neox.layers.{l}.input_layernorm.weight"},
    {"layers.{l}.attention_norm.bias", "gpt_neox.layers.{l}.input_layernorm.bias"},
    {"layers.{l}.attention.qkv.weight", "gpt_neox.layers.{l}.attention.query_key_value.weight"},
    {"layers.{l}.attention.qkv.bias", "gpt_neox.layers.{l}.attention.query_key_value.bias"},
    {"layers.{l}.attention.out.weight", "gpt_neox.layers.{l}.attention.dense.weight"},
    {"layers.{l}.attention.out.bias", "gpt_neox.layers.{l}.attention.dense.bias"},
    {"layers.{l}.mlp_norm.weight", "gpt_neox.layers.{l}.post_attention_layernorm.weight"},
    {"layers.{l}.mlp_norm.bias", "gpt_neox.layers.{l}.post_attention_layernorm.bias"},
    {"layers.{l}.mlp.up.weight", "gpt_neox.layers.{l}.mlp.dense_h_to_4h.weight"},
    {"layers.{l}.mlp.up.bias", "gpt_neox.layers.{l}.mlp.dense_h_to_4h.bias"},
    {"layers.{l}.mlp.down.weight", "gpt_neox.layers.{l}.mlp.dense_4h_to_h.weight"},
    {"layers.{l}.mlp.down.bias", "gpt_neox.layers.{l}.mlp.dense_4h_to_h.bias"},
    {"final_norm.weight", "gpt_neox.final_layer_norm.weight"},
    {"final_norm.bias", "gpt_neox.final_layer_norm.bias"},
    {"head.weight", "embed_out.weight", WeightTransform::none, "lm_head.weight"},
};

std::span<const WeightName> names() { return kNames; }

void read_facts(ConfigReader& config, ModelSpec& spec) {
  spec.max_positions = config.size_or("max_position_embeddings", 2048);
  spec.norm = NormKind::layer;
  spec.parallel_block = config.flag_or("use_parallel_residual", true);
  spec.gated_mlp = false;
  spec.qkv = QkvLayout::per_head;
  spec.qkv_bias = spec.attention_out_bias = config.flag_or("attention_bias", true);
  spec.mlp_bias = true;
  spec.tie_embeddings = config.flag_or("tie_word_embeddings", false);
  spec.hidden_dropout = spec.embedding_dropout = config.number_or("hidden_dropout", 0);
  spec.rope = read_rope(config, spec, 10000, {"rotary_emb_base", "rotary_pct", 0.25});
  config.harmless("classifier_dropout");
}

}  // namespace

const Family kGptNeoX = {
    "gpt_neox",  kArchitectures, {.default_activation = "gelu", .norm_eps = "layer_norm_eps", .default_norm_eps = 1e-5},
    "gpt_neox.", kBuffers,       read_facts,
    names};

}  // namespace distill
