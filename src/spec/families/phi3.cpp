// Phi3ForCausalLM (Phi-3, Phi-3.5, Phi-4): the Llama block with one matrix for q, k, v and one for gate and up; partly rotated
// heads and LongRoPE in some releases.
// Source: transformers, models/phi3/{configuration,modeling}_phi3.py.
#include "../families.h"
#include "../rope_config.h"

namespace distill {
namespace {

constexpr Architecture kArchitectures[] = {{"Phi3ForCausalLM", Task::causal_lm}};

constexpr WeightName kNames[] = {
    {"embedding.weight", "model.embed_tokens.weight"},
    {"layers.{l}.attention_norm.weight", "model.layers.{l}.input_layernorm.weight"},
    {"layers.{l}.attention.qkv.weight", "model.layers.{l}.self_attn.qkv_proj.weight"},
    {"layers.{l}.attention.out.weight", "model.layers.{l}.self_attn.o_proj.weight"},
    {"layers.{l}.mlp_norm.weight", "model.layers.{l}.post_attention_layernorm.weight"},
    {"layers.{l}.mlp.gate_up.weight", "model.layers.{l}.mlp.gate_up_proj.weight"},
    {"layers.{l}.mlp.down.weight", "model.layers.{l}.mlp.down_proj.weight"},
    {"final_norm.weight", "model.norm.weight"},
    {"head.weight", "lm_head.weight"},
};

std::span<const WeightName> names() { return kNames; }

void read_facts(ConfigReader& config, ModelSpec& spec) {
  spec.max_positions = config.size_or("max_position_embeddings", 4096);
  spec.qkv = QkvLayout::stacked;
  spec.fused_gate_up = true;
  spec.tie_embeddings = config.flag_or("tie_word_embeddings", false);
  spec.hidden_dropout = config.number_or("resid_pdrop", 0);
  config.must_be("embd_pdrop", 0.0);
  for (const char* bias : {"attention_bias", "mlp_bias", "lm_head_bias"}) config.must_be(bias, false);
  for (const char* unity : {"full_attn_mod", "interpolate_factor"}) config.must_be(unity, 1);
  spec.rope = read_rope(config, spec, 10000, {.partial = "partial_rotary_factor"});
  const int64_t window = config.find("sliding_window") ? config.size("sliding_window") : 0;
  for (LayerSpec& layer : spec.layers) layer.window = window;
}

}  // namespace

const Family kPhi3 = {"phi3",     kArchitectures, {.num_kv_heads = "num_key_value_heads", .default_norm_eps = 1e-5}, "model.", {},
                      read_facts, names};

}  // namespace distill
