// One transformer block. Reads like the figures: pre-norm x + f(norm(x)), post-norm norm(x + f(x)), sandwich
// x + norm(f(norm(x))), parallel x + attention(norm(x)) + mlp(norm(x)).
#include "distill/model/block.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include "distill/model/checkpointing.h"

namespace distill {
namespace {

at::ScalarType wide(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

bool lean(const ForwardPass& pass) { return pass.options().recompute == Recompute::selective; }

// x after the norm in front of a sublayer, in the type of the sublayer's products; as it is when there is no such norm.
at::Tensor before(const Norm& norm, const at::Tensor& x, const Linear& first) {
  return norm.defined() ? norm(x, matmul_dtype(first.weight)) : x;
}

}  // namespace

// What attention adds to the residual stream, before any norm that follows.
AttentionOutput Block::attend(const at::Tensor& hidden_BTD, const ForwardPass& pass, AttentionWish wish) const {
  const auto prepare = [this, hidden_BTD] { return before(attention_norm, hidden_BTD, attention.first()); };
  const at::Tensor x_BTD = prepare();
  const CheapValue remade(lean(pass) && attention_norm.defined() ? x_BTD : at::Tensor(), prepare);
  AttentionOutput output = attention(x_BTD, pass, wish);
  output.mixed_BTD = pass.dropout(output.mixed_BTD, pass.options().hidden_dropout, block_site(layer, BlockSite::attention_out));
  return output;
}

at::Tensor Block::feed_forward(const at::Tensor& hidden_BTD, const ForwardPass& pass) const {
  const auto prepare = [this, hidden_BTD] { return before(mlp_norm, hidden_BTD, mlp.first()); };
  const at::Tensor x_BTD = prepare();
  const CheapValue remade(lean(pass) && mlp_norm.defined() ? x_BTD : at::Tensor(), prepare);
  return pass.dropout(mlp(x_BTD, lean(pass)), pass.options().hidden_dropout, block_site(layer, BlockSite::mlp_out));
}

// Attention and mlp read the same normed input (or each its own norm of the same stream).
BlockOutput Block::run_parallel(const at::Tensor& hidden_BTD, const ForwardPass& pass, AttentionWish wish) const {
  const AttentionOutput attended = attend(hidden_BTD, pass, wish);
  if (mlp_norm.defined())
    return {hidden_BTD + attended.mixed_BTD + feed_forward(hidden_BTD, pass), attended.probabilities_BHTT, attended.heads};
  const auto prepare = [this, hidden_BTD] { return before(attention_norm, hidden_BTD, mlp.first()); };
  const at::Tensor x_BTD = prepare();
  const CheapValue remade(lean(pass) ? x_BTD : at::Tensor(), prepare);
  const at::Tensor fed_BTD =
      pass.dropout(mlp(x_BTD, lean(pass)), pass.options().hidden_dropout, block_site(layer, BlockSite::mlp_out));
  return {hidden_BTD + attended.mixed_BTD + fed_BTD, attended.probabilities_BHTT, attended.heads};
}

BlockOutput Block::run(const at::Tensor& hidden_BTD, const ForwardPass& pass, AttentionWish wish) const {
  if (parallel) return run_parallel(hidden_BTD, pass, wish);
  const at::ScalarType stream = wide(hidden_BTD);
  const auto join = [&](const at::Tensor& x_BTD, const at::Tensor& addition_BTD, const Norm& post_norm) {
    switch (placement) {
      case NormPlacement::pre:
        return x_BTD + addition_BTD;
      case NormPlacement::post:
        return post_norm(x_BTD + addition_BTD, stream);
      case NormPlacement::sandwich:
        return x_BTD + post_norm(addition_BTD, stream);
    }
    return at::Tensor();
  };
  const AttentionOutput attended = attend(hidden_BTD, pass, wish);
  const at::Tensor middle_BTD = join(hidden_BTD, attended.mixed_BTD, attention_post_norm);
  return {join(middle_BTD, feed_forward(middle_BTD, pass), mlp_post_norm), attended.probabilities_BHTT, attended.heads};
}

BlockOutput Block::operator()(const at::Tensor& hidden_BTD, const ForwardPass& pass, AttentionWish wish) const {
  return run(hidden_BTD, pass, wish);
}

Block make_block(const ModelSpec& spec, const WeightMap& weights, int64_t layer) {
  const std::string name = "layers." + std::to_string(layer) + ".";
  Block block;
  block.layer = layer;
  block.placement = spec.placement;
  block.parallel = spec.parallel_block;
  block.attention_norm = make_norm(spec, weights, name + "attention_norm");
  block.attention_post_norm = make_norm(spec, weights, name + "attention_post_norm");
  block.mlp_norm = make_norm(spec, weights, name + "mlp_norm");
  block.mlp_post_norm = make_norm(spec, weights, name + "mlp_post_norm");
  block.attention = make_attention(spec, weights, layer);
  block.mlp = make_mlp(spec, weights, layer);
  return block;
}

}  // namespace distill
