// What an objective may ask of a model (Needs) and what teacher and student alike answer with (ForwardOutput).
// Layers count as Hugging Face counts hidden states: 0 = embeddings, l = output of block l, L = after the final norm.
// Attention layers are blocks 1..L.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <map>
#include <set>

namespace distill {

struct Needs {
  bool logits = false;  // final hidden rows and the head
  std::set<int64_t> hidden_layers;
  std::set<int64_t> attention_layers;

  void add(const Needs& other);
  bool any() const { return logits || !hidden_layers.empty() || !attention_layers.empty(); }
};

// The output projection. Nobody materialises [B,T,V] in training: logits terms read rows of hidden states and this.
struct Head {
  at::Tensor weight_VD;  // float32 master (student) or the teacher's own type; requires_grad when it trains
  at::Tensor bias_V;     // undefined when there is none
  double soft_cap = 0;   // 0 = none
  int64_t vocab_size() const { return weight_VD.size(0); }
};

struct ForwardOutput {
  at::Tensor final_hidden_BTD;  // after the final norm
  Head head;
  std::map<int64_t, at::Tensor> hidden_BTD;      // only the layers that were asked for
  std::map<int64_t, at::Tensor> attention_BHTT;  // probabilities, float32 or wider; rows of padding are zero

  // The plain path for tests, `forward` and small evaluations: float32 (or wider) logits [B,T,V].
  at::Tensor logits_BTV() const;
};

}  // namespace distill
