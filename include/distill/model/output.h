// What an objective may ask of a model (Needs) and what teacher and student alike answer with (ForwardOutput).
// Layers count as Hugging Face counts hidden states: 0 = embeddings, l = output of block l, L = after the final norm.
// Attention layers are blocks 1..L.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>

namespace distill {

class KeptCast;

struct Needs {
  bool logits = false;     // final hidden rows and the head
  bool embedding = false;  // one vector per row
  std::set<int64_t> hidden_layers;
  std::set<int64_t> attention_layers;  // as probabilities: the block leaves fused attention for them
  std::set<int64_t> head_layers;       // as queries, keys and values, which fused attention reads anyway

  bool any() const { return logits || embedding || !hidden_layers.empty() || !attention_layers.empty() || !head_layers.empty(); }
};

// The output projection. Nobody materialises [B,T,V] in training: logits terms read rows of hidden states and this.
// A model that answers with logits (a script) has the identity as its head: the rows that it reads are logits already.
struct Head {
  at::Tensor weight_VD;                 // float32 master (student) or the teacher's own type; requires_grad when it trains
  at::Tensor bias_V;                    // undefined when there is none
  double soft_cap = 0;                  // 0 = none
  int64_t identity_width = 0;           // above 0: the identity over logits of this width, without a weight
  std::shared_ptr<KeptCast> kept = {};  // of the weight, as in distill/model/linear.h
  bool is_identity() const { return identity_width > 0; }
  int64_t vocab_size() const { return is_identity() ? identity_width : weight_VD.size(0); }
};

// What the attention of one block reads: after head norms and rotary positions. Its scores are scale * q.k, soft-capped when
// soft_cap > 0, over the keys that a query may see (tensor/visibility.h) within its document; query head h reads key/value head
// h / (H / G).
struct AttentionHeads {
  at::Tensor q_BTHK, k_BTGK, v_BTGK;
  double scale = 1, soft_cap = 0;
  int64_t window = 0;
  bool causal = true;
};

struct ForwardOutput {
  // What the head reads: after the final norm (causal models), after the transform of a masked-LM head, or, for classifiers, the
  // one pooled vector of each row [B, 1, D]. Logits [B, T, V] when the head is the identity.
  at::Tensor final_hidden_BTD;
  Head head;                // undefined weight and no identity: the model has none (task `embedding`)
  at::Tensor embedding_BD;  // mean of the last hidden states over the tokens of each row; float32 or wider; when asked for
  std::map<int64_t, at::Tensor> hidden_BTD;      // only the layers that were asked for
  std::map<int64_t, at::Tensor> attention_BHTT;  // probabilities, float32 or wider; rows of padding are zero
  std::map<int64_t, AttentionHeads> heads;       // in the type of the products; by block, from 1

  // The plain path for tests, `forward` and small evaluations: float32 (or wider) logits [B,T,V].
  at::Tensor logits_BTV() const;
};

}  // namespace distill
