// One transformer block, in the arrangement that the spec's facts name.
#pragma once

#include <ATen/core/TensorBody.h>

#include "distill/model/attention.h"
#include "distill/model/mlp.h"
#include "distill/model/norm.h"

namespace distill {

struct BlockOutput {
  at::Tensor hidden_BTD;          // residual stream, float32 or wider
  at::Tensor probabilities_BHTT;  // undefined unless asked for
  Heads heads;                    // undefined unless asked for
};

struct Block {
  int64_t layer = 0;
  NormPlacement placement = NormPlacement::pre;
  bool parallel = false;
  Norm attention_norm, attention_post_norm, mlp_norm, mlp_post_norm;
  Attention attention;
  Mlp mlp;

  // Recomputes what pass.options().recompute says.
  BlockOutput operator()(const at::Tensor& hidden_BTD, const ForwardPass& pass, AttentionWish wish) const;

 private:
  BlockOutput run(const at::Tensor& hidden_BTD, const ForwardPass& pass, AttentionWish wish) const;
  AttentionOutput attend(const at::Tensor& hidden_BTD, const ForwardPass& pass, AttentionWish wish) const;
  at::Tensor feed_forward(const at::Tensor& hidden_BTD, const ForwardPass& pass) const;
  BlockOutput run_parallel(const at::Tensor& hidden_BTD, const ForwardPass& pass, AttentionWish wish) const;
};

Block make_block(const ModelSpec& spec, const WeightMap& weights, int64_t layer);

}  // namespace distill
