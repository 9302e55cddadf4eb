// LlamaForCausalLM: pre-norm blocks, rotary positions, grouped queries, gated mlp.
// Source: transformers, models/llama/{configuration,modeling}_llama.py.
#include "../families.h"
#include "../rope_config.h"

namespace distill {
namespace {

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
    {"layers.{l}.mlp_norm.weight", "model.layers.{l}.post_attention_layernorm.weight"},
    {"layers.{l}.mlp.gate.weight", "model.layers.{l}.mlp.gate_proj.weight"},
    {"layers.{l}.mlp.gate.bias", "model.layers.{l}.mlp.gate_proj.bias"},
    {"layers.{l}.mlp.up.weight", "model.layers.{l}.mlp.up_proj.weight"},
    {"layers.{l}.mlp.up.bias", "model.layers.{l}.mlp.up_proj.bias"},
    {"layers.{l}.mlp.down.weight", "model.layers.{l}.mlp.down_proj.weight"},
    {"layers.{l}.mlp.down.bias", "model.layers.{l}.mlp.down_proj.bias"},
    {"final_norm.weight", "model.norm.weight"},
    {"head.weight", "lm_head.weight"},
};

void read_facts(ConfigReader& config, ModelSpec& spec) {
  spec.max_positions = config.size_or("max_position_embeddings", 2048);
  spec.qkv_bias = spec.attention_out_bias = config.flag_or("attention_bias", false);
  spec.mlp_bias = config.flag_or("mlp_bias", false);
  spec.tie_embeddings = config.flag_or("tie_word_embeddings", false);
  spec.rope = read_rope(config, spec, 10000);
  config.must_be("pretraining_tp", 1);  // above 1 the linear layers are summed in slices
  config.must_be("rope_interleaved", false);
  config.harmless("is_llama_config");
  config.harmless("max_sequence_length");
}

}  // namespace

std::span<const WeightName> llama_weight_names() { return kNames; }

namespace {
constexpr Architecture kArchitectures[] = {{"LlamaForCausalLM", Task::causal_lm}};
constexpr std::string_view kBuffers[] = {"rotary_emb.inv_freq"};
}  // namespace

const Family kLlama = {"llama",           kArchitectures, {.num_kv_heads = "num_key_value_heads", .head_size = "head_dim"},
                       "model.",          kBuffers,       read_facts,
                       llama_weight_names};

}  // namespace distill
