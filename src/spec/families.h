// The table of architectures. A family is facts (how its config.json fills a ModelSpec) and names (what its checkpoints call
// our weights); everything shared by families lives in hf_config, config_reader, rope_config and weight_rows.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "distill/spec/spec.h"

#include "config_reader.h"

namespace distill {

// What one of our weights is called in the checkpoints of a family; `{l}` stands for the number of the block.
struct WeightName {
  const char* ours;
  const char* theirs;
  WeightTransform transform = WeightTransform::none;
  const char* also = nullptr;  // another name that is met
};

// What config.json calls the numbers that every family has. nullptr: the family has no such key.
struct ConfigKeys {
  const char* hidden_size = "hidden_size";
  const char* intermediate_size = "intermediate_size";
  const char* num_layers = "num_hidden_layers";
  const char* num_heads = "num_attention_heads";
  const char* num_kv_heads = nullptr;
  const char* head_size = nullptr;
  const char* activation = "hidden_act";
  const char* default_activation = "silu";
  const char* norm_eps = "rms_norm_eps";
  double default_norm_eps = 1e-6;
  const char* attention_dropout = "attention_dropout";
  double default_attention_dropout = 0;
  bool four_times_wider = false;  // intermediate_size is 4 * hidden_size when it is not written
  bool layer_types = false;       // `layer_types` says layer by layer who has a window
};

// A class of transformers and what it is for.
struct Architecture {
  const char* name;
  Task task;
};

struct Family {
  const char* model_type;                       // config.json's word
  std::span<const Architecture> architectures;  // the first one when config.json names none
  ConfigKeys keys;
  const char* base_prefix;                    // of weights that a checkpoint of the bare model names without it
  std::span<const std::string_view> buffers;  // ends of names that hold nothing but what follows from config.json
  // Reads the keys that this family gives a meaning to. Sizes that every family shares are already in the spec.
  void (*read_facts)(ConfigReader& config, ModelSpec& spec);
  std::span<const WeightName> (*names)();
};

extern const Family kLlama, kMistral, kQwen2, kQwen3, kPhi3;  // one file each under families/
extern const Family kGemma, kGemma2, kGemma3, kGpt2, kGptj, kGptNeoX;
extern const Family kBert, kDistilBert;

std::span<const Family* const> families();
const Family* find_family(const std::string& architecture);
const Architecture* find_architecture(const Family& family, const std::string& name);
// A class of transformers that will come later, or another head of a family that is here.
bool is_planned(const std::string& architecture_or_model_type);
// The family whose checkpoint this spec describes; Bug when read_spec did not make it.
const Family& family_of(const ModelSpec& spec);

// The names that LlamaForCausalLM gave to weights, which many later families kept.
std::span<const WeightName> llama_weight_names();
// A name of ours or theirs with the number of the block in its place.
std::string with_layer(std::string_view pattern, const std::string& layer);

// Readers of keys that several families share.
// Layers from `max_window_layers` on see a window, unless `layer_types` says it layer by layer (qwen2, qwen3).
void read_upper_windows(ConfigReader& config, ModelSpec& spec);
// `layer_types` or, without it, what `is_full` says of a layer's number; the others have the window (gemma2, gemma3).
void read_layer_types(ConfigReader& config, ModelSpec& spec, bool (*is_full)(int64_t layer, int64_t pattern), int64_t pattern);

// What Gemma 2 and 3 share: sandwich norms, scales, soft caps (`attention_cap` and `logit_cap` where the keys are absent).
void read_gemma2_facts(ConfigReader& config, ModelSpec& spec, double attention_cap, double logit_cap);
std::span<const WeightName> gemma2_weight_names();
inline constexpr ConfigKeys kGemma2Keys = {.num_kv_heads = "num_key_value_heads",
                                           .head_size = "head_dim",
                                           .activation = "hidden_activation",
                                           .default_activation = "gelu_pytorch_tanh",
                                           .layer_types = true};

// GPT-2's words for the sizes, which GPT-J kept.
constexpr ConfigKeys gpt2_keys(double default_attention_dropout) {
  return {.hidden_size = "n_embd",
          .intermediate_size = "n_inner",
          .num_layers = "n_layer",
          .num_heads = "n_head",
          .activation = "activation_function",
          .default_activation = "gelu_new",
          .norm_eps = "layer_norm_epsilon",
          .default_norm_eps = 1e-5,
          .attention_dropout = "attn_pdrop",
          .default_attention_dropout = default_attention_dropout,
          .four_times_wider = true};
}
// Keys of another class's head that stand in the config.json of both.
void pass_summary_keys(ConfigReader& config);

}  // namespace distill
