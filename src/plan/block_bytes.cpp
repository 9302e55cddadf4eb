// One block, tensor by tensor. Letters as in the model room: D hidden, F feed-forward, Q and G widths of all query and all
// key/value heads.
#include "block_bytes.h"

#include <algorithm>

namespace distill {
namespace {

struct Widths {
  int64_t D, F, Q, G, H;
  explicit Widths(const ModelSpec& spec)
      : D(spec.hidden_size),
        F(spec.intermediate_size),
        Q(spec.num_heads * spec.head_size),
        G(spec.num_kv_heads * spec.head_size),
        H(spec.num_heads) {}
};

bool is_rotary(const ModelSpec& spec) {
  return spec.position == PositionKind::rotary || spec.position == PositionKind::rotary_interleaved;
}
bool has_norm_before(const ModelSpec& spec) { return spec.placement != NormPlacement::post; }
bool has_norm_behind(const ModelSpec& spec) { return spec.placement != NormPlacement::pre; }
bool is_narrow(const BlockFacts& facts) { return facts.product != facts.wide; }

bool is_eager(const ModelSpec& spec, const BlockFacts& facts) {
  return facts.shows_probabilities || spec.attention_soft_cap > 0 || facts.attention_dropout > 0;
}

// What the products of a sublayer read: the norm's output; without a norm the stream itself, or one narrow copy for each product.
int64_t product_input(const ModelSpec& spec, const BlockFacts& facts, int64_t num_products) {
  const int64_t size = facts.tokens * spec.hidden_size;
  if (has_norm_before(spec)) return facts.product * size;
  return is_narrow(facts) ? num_products * facts.product * size : 0;
}

// A norm behind a sublayer keeps what it reads: the sublayer's result, or the sum with the stream.
int64_t norm_behind(const ModelSpec& spec, const BlockFacts& facts) {
  if (!has_norm_behind(spec)) return 0;
  const int64_t number = spec.placement == NormPlacement::post ? facts.wide : facts.product;
  return number * facts.tokens * spec.hidden_size;
}

// Sums with the stream: types that differ are made equal by a copy on a CPU, and on the way by a GPU.
int64_t widening(const ModelSpec& spec, const BlockFacts& facts) {
  return is_narrow(facts) && !facts.on_gpu ? facts.wide * facts.tokens * spec.hidden_size : 0;
}

// A gradient of a matrix before it is added to the sum: the product, and beside it its copy in the sum's type.
struct WeightGradient {
  int64_t product, both;
};
WeightGradient weight_gradient(const BlockFacts& facts, int64_t elements) {
  if (is_narrow(facts) && facts.adds_wide) return {0, 0};
  if (is_narrow(facts)) return {facts.product * elements, (facts.product + (facts.on_gpu ? 0 : facts.wide)) * elements};
  return facts.adds_in_place ? WeightGradient{0, 0} : WeightGradient{facts.product * elements, facts.product * elements};
}

// Queries, keys and values: before and after head norms and rotary positions.
struct HeadBytes {
  int64_t projected = 0;  // by the products
  int64_t placed = 0;     // new ones behind them
  int64_t kept = 0;       // all that the backward pass reads of both
};
HeadBytes head_bytes(const ModelSpec& spec, const BlockFacts& facts) {
  const Widths w(spec);
  const int64_t number = facts.product * facts.tokens;
  HeadBytes heads;
  heads.projected = number * (w.Q + 2 * w.G);
  heads.placed = is_rotary(spec) || spec.qk_norm ? number * (w.Q + w.G) : 0;
  if (heads.placed == 0) heads.kept = heads.projected;
  // Values are a view into the one product that all three come from, which they keep alive.
  else if (spec.qkv != QkvLayout::separate || spec.qk_norm)
    heads.kept = heads.placed + heads.projected;
  else
    heads.kept = heads.placed + number * w.G;
  return heads;
}

struct MixBytes {
  int64_t kept = 0, passing = 0, backward = 0;
};

// Fused attention keeps its result and a number for each query.
MixBytes fused_mix(const ModelSpec& spec, const BlockFacts& facts) {
  const Widths w(spec);
  const int64_t number = facts.product * facts.tokens;
  MixBytes mix;
  mix.kept = number * w.Q + 4 * facts.tokens * w.H;
  // Documents go one by one on a CPU; their results are joined.
  if (facts.packed && !facts.on_gpu) mix.kept += number * w.Q;
  // Repeated keys and values take the place of those that came in.
  const bool repeats = facts.expands_keys && w.G < w.Q;
  if (repeats) mix.kept += 2 * number * (w.Q - w.G);
  mix.backward = number * (repeats ? 3 * w.Q : w.Q + 2 * w.G);
  return mix;
}

// Eager attention keeps contiguous factors of both products and the probabilities.
MixBytes eager_mix(const ModelSpec& spec, const BlockFacts& facts) {
  const Widths w(spec);
  const int64_t number = facts.product * facts.tokens, scores = facts.tokens * w.H * facts.length;
  MixBytes mix;
  mix.kept = 4 * number * w.Q + facts.wide * scores;
  if (spec.attention_soft_cap > 0) mix.kept += facts.wide * scores;
  if (is_narrow(facts) || facts.attention_dropout > 0) mix.kept += facts.product * scores;
  mix.passing = 2 * facts.wide * scores;
  mix.backward = number * (w.Q + 2 * w.G) + 2 * facts.wide * scores;
  return mix;
}

HalfBytes attention_bytes(const ModelSpec& spec, const BlockFacts& facts) {
  const Widths w(spec);
  const int64_t number = facts.product * facts.tokens;
  const HeadBytes heads = head_bytes(spec, facts);
  const MixBytes mix = is_eager(spec, facts) ? eager_mix(spec, facts) : fused_mix(spec, facts);
  HalfBytes half;
  half.product_inputs = product_input(spec, facts, spec.qkv == QkvLayout::separate ? 3 : 1);
  half.cheap = has_norm_before(spec) ? half.product_inputs : 0;
  half.kept = half.product_inputs + heads.kept + mix.kept + norm_behind(spec, facts);
  const int64_t let_go = heads.placed + heads.projected - heads.kept;  // but not before attention is done
  half.passing = std::max<int64_t>(0, let_go) + mix.passing + number * w.D;
  half.backward = number * w.Q + mix.backward;
  half.backward_lean = half.backward + half.cheap;
  return half;
}

// From the result back: the gradient of the product that narrows, then that of the activation.
int64_t mlp_backward(const ModelSpec& spec, const BlockFacts& facts, int64_t activated, bool remade) {
  const Widths w(spec);
  const int64_t narrow_gradient = is_narrow(facts) ? facts.product * facts.tokens * w.D : 0;
  const WeightGradient weight = weight_gradient(facts, w.F * w.D);
  const int64_t let_go = remade ? 0 : activated;  // by the product that narrows, once it is done
  const int64_t in_product = (remade ? activated : 0) + activated + narrow_gradient + weight.product;
  const int64_t behind_product = activated + weight.both - let_go;
  const int64_t in_activation = (spec.gated_mlp ? 3 : 2) * activated - let_go;
  return std::max({in_product, behind_product, in_activation});
}

HalfBytes mlp_bytes(const ModelSpec& spec, const BlockFacts& facts) {
  const Widths w(spec);
  const int64_t activated = facts.product * facts.tokens * w.F;
  const bool keeps_input = spec.gated_mlp || (spec.activation != Activation::relu && spec.activation != Activation::tanh);
  const int64_t inputs = (spec.gated_mlp ? 2 : 1) * activated;
  // The stream between both halves: read by the norm in front, or by the products themselves.
  const int64_t stream = has_norm_before(spec) || !is_narrow(facts) ? facts.wide * facts.tokens * w.D : 0;
  HalfBytes half;
  half.product_inputs = product_input(spec, facts, spec.gated_mlp && !spec.fused_gate_up ? 2 : 1) + activated;
  half.cheap = has_norm_before(spec) ? half.product_inputs : activated;
  half.kept = half.product_inputs + (keeps_input ? inputs : 0) + (spec.parallel_block ? 0 : stream) + norm_behind(spec, facts);
  half.passing = (keeps_input ? 0 : inputs) + facts.product * facts.tokens * w.D + widening(spec, facts);
  half.backward = mlp_backward(spec, facts, activated, /*remade=*/false);
  half.backward_lean = mlp_backward(spec, facts, activated, /*remade=*/true);
  return half;
}

}  // namespace

BlockBytes block_bytes(const ModelSpec& spec, const BlockFacts& facts) {
  const Widths w(spec);
  const int64_t stream = facts.wide * facts.tokens * w.D;
  BlockBytes block;
  block.input = has_norm_before(spec) || !is_narrow(facts) ? stream : 0;
  block.heads = facts.product * facts.tokens * (w.Q + 2 * w.G);
  block.probabilities = facts.wide * facts.tokens * w.H * facts.length;
  block.addition = facts.product * facts.tokens * w.D;
  block.attention = attention_bytes(spec, facts);
  block.mlp = mlp_bytes(spec, facts);
  block.num_matrix_elements = w.D * (2 * w.Q + 2 * w.G) + (spec.gated_mlp ? 3 : 2) * w.D * w.F;
  return block;
}

}  // namespace distill
