// Low-rank adapters of the PEFT library (adapter_config.json and adapter_model.safetensors or .bin), merged into a checkpoint:
// W + scale * B A. Source: https://github.com/huggingface/peft, src/peft/tuners/lora (config.py, layer.py, conv1d in layer.py).
#pragma once

#include <memory>
#include <string>

#include "distill/core/json_reader.h"
#include "distill/spec/spec.h"
#include "distill/tensor/source.h"

namespace distill {

struct LoraFacts {
  int64_t rank = 0;
  double scale = 1;  // lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora
};

// adapter_config.json -> facts. InputError by name for other kinds of adapters (peft_type), and for settings under which the
// merged weight is another one: DoRA, biases, modules_to_save, rank_pattern, alpha_pattern, initialisations that change the base
// model (pissa, olora, loftq, corda), and any key that is not known and says something. `fan_in_fan_out` is checked for its type
// only: whether a weight is stored transposed is known of every weight, and peft corrects the setting by it too.
LoraFacts read_lora_config(const Json& config, const std::string& where);

// The base checkpoint with the adapter added to it when a tensor is read: in float32, then in the type asked for. Merged tensors
// have at least the type float32 in tensors(). InputError by name: tensors of the adapter that are no A or B of a linear layer of
// this model (embeddings among them), an A without its B, shapes that do not fit, NaN and infinity.
std::unique_ptr<TensorSource> merge_adapter(const ModelSpec& spec, std::unique_ptr<TensorSource> base,
                                            std::unique_ptr<TensorSource> adapter, const LoraFacts& facts);

}  // namespace distill
