// Self-attention of one block: projections, head norms, rotary positions, and the choice between the fused kernel and the eager
// path that yields probabilities.
#pragma once

#include <ATen/core/TensorBody.h>

#include "distill/model/forward_pass.h"
#include "distill/model/linear.h"
#include "distill/model/norm.h"
#include "distill/model/output.h"

namespace distill {

// What a block hands out beside its result.
struct AttentionWish {
  bool probabilities = false, heads = false;
};

// Queries, keys and values: k and v have G heads, H a multiple of G.
struct Heads {
  at::Tensor q_BTHK, k_BTGK, v_BTGK;
};

struct AttentionOutput {
  at::Tensor mixed_BTD;           // after the output projection
  at::Tensor probabilities_BHTT;  // before dropout; undefined unless asked for
  Heads heads;                    // undefined unless asked for
};

struct Attention {
  int64_t layer = 0;
  int64_t num_heads = 0, num_kv_heads = 0, head_size = 0, window = 0;
  double scale = 1, soft_cap = 0;
  bool rotary = false, interleaved = false, local_rope = false;
  QkvLayout layout = QkvLayout::separate;
  Linear q, k, v, qkv, out;  // either q, k and v, or qkv
  Norm q_norm, k_norm;

  const Linear& first() const { return layout == QkvLayout::separate ? q : qkv; }
  AttentionOutput operator()(const at::Tensor& x_BTD, const ForwardPass& pass, AttentionWish wish) const;
  // `heads` with the facts that make scores of them.
  AttentionHeads with_facts(const Heads& heads, bool causal) const;
};

Attention make_attention(const ModelSpec& spec, const WeightMap& weights, int64_t layer);

// The two ways from heads to mixed heads [B, T, H, K].
at::Tensor fused_attention(const Heads& heads, const ForwardPass& pass, int64_t window, double scale);
struct EagerAttention {
  at::Tensor mixed_BTHK, probabilities_BHTT;
};
EagerAttention eager_attention(const Heads& heads, const ForwardPass& pass, const Attention& facts);

}  // namespace distill
