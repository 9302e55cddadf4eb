// The eager path: probabilities in the open, for distilled maps, soft caps and keyed dropout.
#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>

#include <limits>

#include "distill/model/attention.h"

#include "attention_notes.h"

namespace distill {
namespace {

// [B, T, G, K] -> [B, H, T, K].
at::Tensor heads_first(const at::Tensor& x_BTGK, int64_t num_heads) {
  const at::Tensor x_BGTK = x_BTGK.transpose(1, 2);
  const int64_t G = x_BTGK.size(2), T = x_BTGK.size(1), K = x_BTGK.size(3);
  if (G == num_heads) return x_BGTK;
  return x_BGTK.unsqueeze(2).expand({x_BTGK.size(0), G, num_heads / G, T, K}).reshape({x_BTGK.size(0), num_heads, T, K});
}

}  // namespace

EagerAttention eager_attention(const Heads& heads, const ForwardPass& pass, const Attention& facts) {
  const at::Tensor q_BHTK = heads.q_BTHK.transpose(1, 2);
  const at::Tensor k_BHTK = heads_first(heads.k_BTGK, facts.num_heads), v_BHTK = heads_first(heads.v_BTGK, facts.num_heads);
  note_attention("eager", q_BHTK, facts.num_kv_heads, "mask");
  const at::ScalarType wide = q_BHTK.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor scores_BHTT = at::matmul(q_BHTK * facts.scale, k_BHTK.transpose(-1, -2)).to(wide);
  if (facts.soft_cap > 0) scores_BHTT = at::tanh(scores_BHTT / facts.soft_cap) * facts.soft_cap;
  const at::Tensor hidden_B1TT = pass.visible_BTT(facts.window).logical_not().unsqueeze(1);
  // The lowest finite number, not -inf: rows that see nothing stay free of NaN.
  scores_BHTT = scores_BHTT.masked_fill(hidden_B1TT, std::numeric_limits<float>::lowest());
  at::Tensor probabilities_BHTT = at::softmax(scores_BHTT, -1);
  if (pass.has_padding()) probabilities_BHTT = probabilities_BHTT.masked_fill(pass.padding_BT().unsqueeze(1).unsqueeze(-1), 0);
  const at::Tensor kept_BHTT =
      pass.dropout(probabilities_BHTT, pass.options().attention_dropout, block_site(facts.layer, BlockSite::attention));
  const at::Tensor mixed_BHTK = at::matmul(kept_BHTT.to(v_BHTK.scalar_type()), v_BHTK);
  return {mixed_BHTK.transpose(1, 2), probabilities_BHTT};
}

}  // namespace distill
