// GPT2LMHeadModel: learned positions, layer norms, one transposed matrix for q, k and v, a head tied to the embedding.
// Source: transformers, models/gpt2/{configuration,modeling}_gpt2.py.
#include <cmath>

#include "../families.h"

namespace distill {

void pass_summary_keys(ConfigReader& config) {
  for (const char* key :
       {"n_ctx", "summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels", "summary_first_dropout"})
    config.harmless(key);
}

namespace {

constexpr Architecture kArchitectures[] = {{"GPT2LMHeadModel", Task::causal_lm}};
constexpr std::string_view kBuffers[] = {".attn.bias", ".attn.masked_bias"};  // the causal mask
constexpr WeightTransform kTransposed = WeightTransform::transpose;

constexpr WeightName kNames[] = {
    {"embedding.weight", "transformer.wte.weight"},
    {"position_embedding.weight", "transformer.wpe.weight"},
    {"layers.{l}.attention_norm.weight", "transformer.h.{l}.ln_1.weight"},
    {"layers.{l}.attention_norm.bias", "transformer.h.{l}.ln_1.bias"},
    {"layers.{l}.attention.qkv.weight", "transformer.h.{l}.attn.c_attn.weight", kTransposed},
    {"layers.{l}.attention.qkv.bias", "transformer.h.{l}.attn.c_attn.bias"},
    {"layers.{l}.attention.out.weight", "transformer.h.{l}.attn.c_proj.weight", kTransposed},
    {"layers.{l}.attention.out.bias", "transformer.h.{l}.attn.c_proj.bias"},
    {"layers.{l}.mlp_norm.weight", "transformer.h.{l}.ln_2.weight"},
    {"layers.{l}.mlp_norm.bias", "transformer.h.{l}.ln_2.bias"},
    {"layers.{l}.mlp.up.weight", "transformer.h.{l}.mlp.c_fc.weight", kTransposed},
    {"layers.{l}.mlp.up.bias", "transformer.h.{l}.mlp.c_fc.bias"},
    {"layers.{l}.mlp.down.weight", "transformer.h.{l}.mlp.c_proj.weight", kTransposed},
    {"layers.{l}.mlp.down.bias", "transformer.h.{l}.mlp.c_proj.bias"},
    {"final_norm.weight", "transformer.ln_f.weight"},
    {"final_norm.bias", "transformer.ln_f.bias"},
    {"head.weight", "lm_head.weight"},
};

std::span<const WeightName> names() { return kNames; }

void read_facts(ConfigReader& config, ModelSpec& spec) {
  spec.max_positions = config.size_or("n_positions", 1024);
  spec.position = PositionKind::learned;
  spec.norm = NormKind::layer;
  spec.gated_mlp = false;
  spec.qkv = QkvLayout::stacked;
  spec.qkv_bias = spec.attention_out_bias = spec.mlp_bias = true;
  spec.tie_embeddings = config.flag_or("tie_word_embeddings", true);
  spec.hidden_dropout = config.number_or("resid_pdrop", 0.1);
  spec.embedding_dropout = config.number_or("embd_pdrop", 0.1);
  if (!config.flag_or("scale_attn_weights", true)) spec.attention_scale = 1;
  const bool by_depth = config.flag_or("scale_attn_by_inverse_layer_idx", false);
  const double scale = spec.attention_scale != 0 ? spec.attention_scale : 1 / std::sqrt(static_cast<double>(spec.head_size));
  for (size_t l = 0; by_depth && l < spec.layers.size(); ++l) spec.layers[l].attention_scale = scale / static_cast<double>(l + 1);
  config.harmless("reorder_and_upcast_attn");  // scores in float32, which ours always are
  pass_summary_keys(config);
}

}  // namespace

const Family kGpt2 = {"gpt2", kArchitectures, gpt2_keys(0.1), "transformer.", kBuffers, read_facts, names};

}  // namespace distill
