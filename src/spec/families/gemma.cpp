// GemmaForCausalLM: the Llama block with norms that multiply by 1 + weight, scaled embeddings and GELU.
// Source: transformers, models/gemma/{configuration,modeling}_gemma.py.
#include <cmath>

#include "../families.h"
#include "../rope_config.h"

namespace distill {
namespace {

constexpr Architecture kArchitectures[] = {{"GemmaForCausalLM", Task::causal_lm}};
constexpr std::string_view kBuffers[] = {"rotary_emb.inv_freq"};

void read_facts(ConfigReader& config, ModelSpec& spec) {
  if (!config.holds("num_key_value_heads")) spec.num_kv_heads = 16;
  if (!config.holds("head_dim")) spec.head_size = 256;
  spec.max_positions = config.size_or("max_position_embeddings", 8192);
  spec.norm = NormKind::rms_plus_one;
  spec.embedding_scale = std::sqrt(static_cast<double>(spec.hidden_size));
  spec.qkv_bias = spec.attention_out_bias = config.flag_or("attention_bias", false);
  spec.tie_embeddings = config.flag_or("tie_word_embeddings", true);
  spec.rope = read_rope(config, spec, 10000);
  // The first releases say "gelu" and mean its tanh form, as transformers reads it; `hidden_activation` came to say so.
  if (spec.activation == Activation::gelu) spec.activation = Activation::gelu_tanh;
  if (config.find("hidden_activation")) config.must_be("hidden_activation", "gelu_pytorch_tanh");
  config.must_be("use_bidirectional_attention", false);
}

}  // namespace

const Family kGemma = {
    "gemma",
    kArchitectures,
    {.num_kv_heads = "num_key_value_heads", .head_size = "head_dim", .default_activation = "gelu_pytorch_tanh"},
    "model.",
    kBuffers,
    read_facts,
    llama_weight_names};

}  // namespace distill
