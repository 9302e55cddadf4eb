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

}  // namespace

AttentionOutput Attention::operator()(const at::Tensor& x_BTD, const ForwardPass& pass, bool keep_probabilities) const {
  const Heads heads{place(*this, q_norm, split_heads(q(x_BTD), num_heads, head_size), pass.rotary()),
                    place(*this, k_norm, split_heads(k(x_BTD), num_kv_heads, head_size), pass.rotary()),
                    split_heads(v(x_BTD), num_kv_heads, head_size)};
  const auto project = [&](const at::Tensor& mixed_BTHK) {
    return out(mixed_BTHK.reshape({x_BTD.size(0), x_BTD.size(1), num_heads * head_size}));
  };
  if (!needs_eager(*this, pass, keep_probabilities)) return {project(fused_attention(heads, pass, window, scale)), {}};
  EagerAttention eager = eager_attention(heads, pass, *this);
  return {project(eager.mixed_BTHK), keep_probabilities ? eager.probabilities_BHTT : at::Tensor()};
}

Attention make_attention(const ModelSpec& spec, const WeightMap& weights, int64_t layer) {
  const std::string name = "layers." + std::to_string(layer) + ".attention.";
  Attention attention;
  attention.layer = layer;
  attention.num_heads = spec.num_heads;
  attention.num_kv_heads = spec.num_kv_heads;
  attention.head_size = spec.head_size;
  attention.window = spec.layers.at(static_cast<size_t>(layer)).window;
  attention.scale = spec.attention_scale != 0 ? spec.attention_scale : 1 / std::sqrt(static_cast<double>(spec.head_size));
  attention.soft_cap = spec.attention_soft_cap;
  attention.rotary = spec.position == PositionKind::rotary || spec.position == PositionKind::rotary_interleaved;
  attention.interleaved = spec.position == PositionKind::rotary_interleaved;
  attention.q = make_linear(weights, name + "q");
  attention.k = make_linear(weights, name + "k");
  attention.v = make_linear(weights, name + "v");
  attention.out = make_linear(weights, name + "out");
  attention.q_norm = make_norm(spec, weights, name + "q_norm");
  attention.k_norm = make_norm(spec, weights, name + "k_norm");
  return attention;
}

}  // namespace distill
