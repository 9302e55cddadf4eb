// GPTJForCausalLM: attention and mlp side by side behind one layer norm, neighbouring channels rotated, a head with a bias.
// Source: transformers, models/gptj/{configuration,modeling}_gptj.py.
#include "../families.h"

namespace distill {
namespace {

constexpr Architecture kArchitectures[] = {{"GPTJForCausalLM", Task::causal_lm}};
constexpr std::string_view kBuffers[] = {".attn.bias", ".attn.masked_bias", ".attn.embed_positions"};

constexpr WeightName kNames[] = {
    {"embedding.weight", "transformer.wte.weight"},
    {"layers.{l}.attention_norm.weight", "transformer.h.{l}.ln_1.weight"},
    {"layers.{l}.attention_norm.bias", "transformer.h.{l}.ln_1.bias"},
    {"layers.{l}.attention.q.weight", "transformer.h.{l}.attn.q_proj.weight"},
    {"layers.{l}.attention.k.weight", "transformer.h.{l}.attn.k_proj.weight"},
    {"layers.{l}.attention.v.weight", "transformer.h.{l}.attn.v_proj.weight"},
    {"layers.{l}.attention.out.weight", "transformer.h.{l}.attn.out_proj.weight"},
    {"layers.{l}.mlp.up.weight", "transformer.h.{l}.mlp.fc_in.weight"},
    {"layers.{l}.mlp.up.bias", "transformer.h.{l}.mlp.fc_in.bias"},
    {"layers.{l}.mlp.down.weight", "transformer.h.{l}.mlp.fc_out.weight"},
    {"layers.{l}.mlp.down.bias", "transformer.h.{l}.mlp.fc_out.bias"},
    {"final_norm.weight", "transformer.ln_f.weight"},
    {"final_norm.bias", "transformer.ln_f.bias"},
    {"head.weight", "lm_head.weight"},
    {"head.bias", "lm_head.bias"},
};

std::span<const WeightName> names() { return kNames; }

void read_facts(ConfigReader& config, ModelSpec& spec) {
  spec.max_positions = config.size_or("n_positions", 2048);
  spec.position = PositionKind::rotary_interleaved;
  spec.rope.rotary_size = config.size_or("rotary_dim", 64);
  spec.rope.original_max_positions = spec.max_positions;
  if (config.holds("rotary_dim") && !config.find("rotary_dim")) config.refuse("rotary_dim", "a number of channels", "null");
  if (spec.rope.rotary_size % 2 != 0 || spec.rope.rotary_size > spec.head_size)
    config.refuse("rotary_dim", "an even number up to the size of a head (" + std::to_string(spec.head_size) + ")",
                  std::to_string(spec.rope.rotary_size));
  spec.norm = NormKind::layer;
  spec.parallel_block = spec.shared_norm = true;
  spec.gated_mlp = false;
  spec.mlp_bias = spec.head_bias = true;
  spec.tie_embeddings = config.flag_or("tie_word_embeddings", false);
  spec.hidden_dropout = config.number_or("resid_pdrop", 0);
  spec.embedding_dropout = config.number_or("embd_pdrop", 0);
  config.must_be("rotary", true);
  config.must_be("scale_attn_weights", true);
  pass_summary_keys(config);
}

}  // namespace

const Family kGptj = {"gptj", kArchitectures, gpt2_keys(0), "transformer.", kBuffers, read_facts, names};

}  // namespace distill
