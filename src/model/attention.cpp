// Self-attention: projections and the choice of a path.
#include "distill/model/attention.h"

#include <cmath>

#include "distill/kernels/rope.h"

namespace distill {
namespace {

at::Tensor split_heads(const at::Tensor& x_BTC, int64_t num_heads, int64_t head_size) {
  return x_BTC.view({x_BTC.size(0), x_BTC.size(1), num_heads, head_size});
}

at::Tensor place(const Attention& facts, const Norm& norm, const at::Tensor& heads_BTHK, const RotaryTables& tables) {
  const at::Tensor normed_BTHK = norm.defined() ? norm(heads_BTHK, heads_BTHK.scalar_type()) : heads_BTHK;
  if (!facts.rotary) return normed_BTHK;
  return rope(normed_BTHK, tables.cos_PR, tables.sin_PR, tables.rows_BT, facts.interleaved);
}

// The fused kernels give no probabilities, know no soft cap, and their dropout is not keyed.
bool needs_eager(const Attention& facts, const ForwardPass& pass, bool keep_probabilities) {
  return keep_probabilities || facts.soft_cap > 0 || (pass.options().train && pass.options().attention_dropout > 0);
}

// Projections, as heads: q [B, T, H, K], k and v [B, T, G, K]; not contiguous when they come out of one product.
Heads project(const Attention& facts, const at::Tensor& x_BTD) {
  const int64_t H = facts.num_heads, G = facts.num_kv_heads, K = facts.head_size;
  if (facts.layout == QkvLayout::separate)
    return {split_heads(facts.q(x_BTD), H, K), split_heads(facts.k(x_BTD), G, K), split_heads(facts.v(x_BTD), G, K)};
  const at::Tensor all_BTC = facts.qkv(x_BTD);
  if (facts.layout == QkvLayout::per_head) {
    const auto parts = all_BTC.view({x_BTD.size(0), x_BTD.size(1), H, 3, K}).unbind(3);
    return {parts[0], parts[1], parts[2]};
  }
  const auto parts = all_BTC.split_with_sizes({H * K, G * K, G * K}, -1);
  return {split_heads(parts[0], H, K), split_heads(parts[1], G, K), split_heads(parts[2], G, K)};
}

}  // namespace

AttentionOutput Attention::operator()(const at::Tensor& x_BTD, const ForwardPass& pass, AttentionWish wish) const {
  const Heads projected = project(*this, x_BTD);
  const RotaryTables& tables = pass.rotary(local_rope);
  const Heads heads{place(*this, q_norm, projected.q_BTHK, tables), place(*this, k_norm, projected.k_BTGK, tables),
                    projected.v_BTGK};
  const auto mix_heads = [&](const at::Tensor& mixed_BTHK) {
    return out(mixed_BTHK.reshape({x_BTD.size(0), x_BTD.size(1), num_heads * head_size}));
  };
  const Heads kept = wish.heads ? heads : Heads{};
  if (!needs_eager(*this, pass, wish.probabilities)) return {mix_heads(fused_attention(heads, pass, window, scale)), {}, kept};
  EagerAttention eager = eager_attention(heads, pass, *this);
  return {mix_heads(eager.mixed_BTHK), wish.probabilities ? eager.probabilities_BHTT : at::Tensor(), kept};
}

AttentionHeads Attention::with_facts(const Heads& heads, bool causal) const {
  return {heads.q_BTHK, heads.k_BTGK, heads.v_BTGK, scale, soft_cap, window, causal};
}

Attention make_attention(const ModelSpec& spec, const WeightMap& weights, int64_t layer) {
  const std::string name = "layers." + std::to_string(layer) + ".attention.";
  Attention attention;
  attention.layer = layer;
  attention.num_heads = spec.num_heads;
  attention.num_kv_heads = spec.num_kv_heads;
  attention.head_size = spec.head_size;
  const LayerSpec& own = spec.layers.at(static_cast<size_t>(layer));
  attention.window = own.window;
  attention.local_rope = own.local_rope;
  attention.scale = 1 / std::sqrt(static_cast<double>(spec.head_size));
  if (spec.attention_scale != 0) attention.scale = spec.attention_scale;
  if (own.attention_scale != 0) attention.scale = own.attention_scale;
  attention.soft_cap = spec.attention_soft_cap;
  attention.rotary = spec.position == PositionKind::rotary || spec.position == PositionKind::rotary_interleaved;
  attention.interleaved = spec.position == PositionKind::rotary_interleaved;
  attention.layout = spec.qkv;
  if (spec.qkv == QkvLayout::separate) {
    attention.q = make_linear(weights, name + "q");
    attention.k = make_linear(weights, name + "k");
    attention.v = make_linear(weights, name + "v");
  } else {
    attention.qkv = make_linear(weights, name + "qkv");
  }
  attention.out = make_linear(weights, name + "out");
  attention.q_norm = make_norm(spec, weights, name + "q_norm");
  attention.k_norm = make_norm(spec, weights, name + "k_norm");
  return attention;
}

}  // namespace distill
