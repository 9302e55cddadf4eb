// The table of architectures. A family is facts (how its config.json fills a ModelSpec) and names (what its checkpoints call
// our weights); everything shared by families lives in hf_config, config_reader, rope_config and weight_rows.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "distill/spec/spec.h"

#include "config_reader.h"

namespace distill {

// What one of our weights is called in the checkpoints of a family; `{l}` stands for the number of the block.
struct WeightName {
  const char* ours;
  const char* theirs;
  WeightTransform transform = WeightTransform::none;
};

struct Family {
  const char* model_type;  // config.json's words
  const char* architecture;
  // Reads the keys that this family gives a meaning to. Sizes that every family shares are already in the spec.
  void (*read_facts)(ConfigReader& config, ModelSpec& spec);
  std::span<const WeightName> (*names)();
};

extern const Family kLlama;  // families/llama.cpp
extern const Family kQwen2;  // families/qwen2.cpp

std::span<const Family* const> families();
const Family* find_family(const std::string& architecture);
// A class of transformers that will come later, or another head of a family that is here.
bool is_planned(const std::string& architecture_or_model_type);
// The family whose checkpoint this spec describes; Bug when read_spec did not make it.
const Family& family_of(const ModelSpec& spec);

// The names that LlamaForCausalLM gave to weights, which many later families kept.
std::span<const WeightName> llama_weight_names();

}  // namespace distill
