// Qwen3ForCausalLM: the Llama block with a norm over every query and key head, and windows on the upper layers if asked for.
// Source: transformers, models/qwen3/{configuration,modeling}_qwen3.py.
#include "../families.h"
#include "../rope_config.h"

namespace distill {
namespace {

constexpr Architecture kArchitectures[] = {{"Qwen3ForCausalLM", Task::causal_lm}};

void read_facts(ConfigReader& config, ModelSpec& spec) {
  // transformers takes 32 and 128 when the keys are absent.
  if (!config.holds("num_key_value_heads")) spec.num_kv_heads = 32;
  if (!config.holds("head_dim")) spec.head_size = 128;
  spec.max_positions = config.size_or("max_position_embeddings", 32768);
  spec.qkv_bias = spec.attention_out_bias = config.flag_or("attention_bias", false);
  spec.qk_norm = true;
  spec.tie_embeddings = config.flag_or("tie_word_embeddings", false);
  spec.rope = read_rope(config, spec, 10000);
  read_upper_windows(config, spec);
}

}  // namespace

const Family kQwen3 = {"qwen3",
                       kArchitectures,
                       {.num_kv_heads = "num_key_value_heads", .head_size = "head_dim", .layer_types = true},
                       "model.",
                       {},
                       read_facts,
                       llama_weight_names};

}  // namespace distill
