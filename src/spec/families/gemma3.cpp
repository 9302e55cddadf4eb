// Gemma3ForCausalLM (text): Gemma 2 with norms over query and key heads instead of soft caps, more layers with a window than
// without, and a rotary base of their own for those.
// Source: transformers, models/gemma3/{configuration,modeling}_gemma3.py.
#include "../families.h"
#include "../rope_config.h"

namespace distill {
namespace {

constexpr Architecture kArchitectures[] = {{"Gemma3ForCausalLM", Task::causal_lm}};

void read_facts(ConfigReader& config, ModelSpec& spec) {
  spec.max_positions = config.size_or("max_position_embeddings", 131072);
  read_gemma2_facts(config, spec, 0, 0);
  spec.qk_norm = true;
  const int64_t pattern = config.size_or("sliding_window_pattern", config.size_or("_sliding_window_pattern", 6));
  read_layer_types(
      config, spec, [](int64_t layer, int64_t every) { return (layer + 1) % every == 0; }, pattern);
  RopePair pair = read_rope_pair(config, spec, 1e6, 1e4);
  spec.rope = pair.full;
  spec.local_rope = pair.sliding;
  const auto types = config.words("layer_types", spec.num_layers);
  for (int64_t l = 0; l < spec.num_layers; ++l)
    spec.layers[l].local_rope = types.empty() ? (l + 1) % pattern != 0 : types[l] == "sliding_attention";
}

}  // namespace

const Family kGemma3 = {"gemma3_text", kArchitectures, kGemma2Keys, "model.", {}, read_facts, gemma2_weight_names};

}  // namespace distill
