// MistralForCausalLM: the Llama block with one sliding window for all layers.
// Source: transformers, models/mistral/{configuration,modeling}_mistral.py.
#include "../families.h"
#include "../rope_config.h"

namespace distill {
namespace {

constexpr Architecture kArchitectures[] = {{"MistralForCausalLM", Task::causal_lm}};
constexpr std::string_view kBuffers[] = {"rotary_emb.inv_freq"};

void read_facts(ConfigReader& config, ModelSpec& spec) {
  // transformers takes 8 and a window of 4096 when the keys are absent; null means as many as heads, and no window.
  if (!config.holds("num_key_value_heads")) spec.num_kv_heads = 8;
  spec.max_positions = config.size_or("max_position_embeddings", 131072);
  spec.tie_embeddings = config.flag_or("tie_word_embeddings", false);
  spec.rope = read_rope(config, spec, 10000);
  const bool null_window = config.holds("sliding_window") && !config.find("sliding_window");
  const int64_t window = null_window ? 0 : config.size_or("sliding_window", 4096);
  for (LayerSpec& layer : spec.layers) layer.window = window;
}

}  // namespace

const Family kMistral = {"mistral",         kArchitectures, {.num_kv_heads = "num_key_value_heads", .head_size = "head_dim"},
                         "model.",          kBuffers,       read_facts,
                         llama_weight_names};

}  // namespace distill
