// What the values that a script returns are: logits, hidden states, attention maps.
#pragma once

#include <ATen/core/TensorBody.h>

#include <string>
#include <vector>

#include "distill/checkpoint/torchscript.h"

namespace distill {

struct ScriptSignals {
  at::Tensor logits_BTV;
  std::vector<at::Tensor> hidden_BTD;      // L + 1, or none
  std::vector<at::Tensor> attention_BHTT;  // L, or none
};

// For B rows of T ids. InputError naming what `script` returned when that holds no logits [B, T, V], or numbers of layers that
// contradict each other.
ScriptSignals read_signals(const TorchScript& script, const std::vector<ScriptValue>& values, int64_t rows, int64_t length);

}  // namespace distill
