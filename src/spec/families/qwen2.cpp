// Qwen2ForCausalLM (Qwen2, Qwen2.5): the Llama block with biases on q, k and v, and windows on the upper layers if asked for.
// Source: transformers, models/qwen2/{configuration,modeling}_qwen2.py.
#include "../families.h"
#include "../rope_config.h"

namespace distill {

void read_upper_windows(ConfigReader& config, ModelSpec& spec) {
  const bool null_window = config.holds("sliding_window") && !config.find("sliding_window");
  const bool windows = config.flag_or("use_sliding_window", false) && !null_window;
  const int64_t window = windows ? config.size_or("sliding_window", 4096) : 0;
  const int64_t first = config.count_or("max_window_layers", 28);
  const auto types = config.words("layer_types", spec.num_layers);
  for (int64_t l = 0; l < spec.num_layers; ++l) {
    const std::string type = !types.empty() ? types[l] : windows && l >= first ? "sliding_attention" : "full_attention";
    if (type != "full_attention" && type != "sliding_attention")
      config.refuse("layer_types", "full_attention or sliding_attention", "\"" + type + "\"");
    if (type == "sliding_attention" && !windows)
      config.refuse("layer_types", "full_attention everywhere, because no sliding window is in use", "\"" + type + "\"");
    spec.layers[l].window = type == "sliding_attention" ? window : 0;
  }
}

namespace {

constexpr Architecture kArchitectures[] = {{"Qwen2ForCausalLM", Task::causal_lm}};
constexpr std::string_view kBuffers[] = {"rotary_emb.inv_freq"};

void read_facts(ConfigReader& config, ModelSpec& spec) {
  // transformers takes 32 when the key is absent, and as many as there are heads when it is null.
  if (!config.holds("num_key_value_heads")) spec.num_kv_heads = 32;
  spec.max_positions = config.size_or("max_position_embeddings", 32768);
  spec.qkv_bias = true;
  spec.tie_embeddings = config.flag_or("tie_word_embeddings", false);
  spec.rope = read_rope(config, spec, 10000);
  read_upper_windows(config, spec);
  config.must_be("use_mrope", false);
}

}  // namespace

const Family kQwen2 = {
    "qwen2",           kArchitectures, {.num_kv_heads = "num_key_value_heads", .head_size = "head_dim", .layer_types = true},
    "model.",          kBuffers,       read_facts,
    llama_weight_names};

}  // namespace distill
