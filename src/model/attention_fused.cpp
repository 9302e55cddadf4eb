// Attention through scaled_dot_product_attention. Never a mask together with is_causal; keys and values are expanded where
// grouped heads would fall to the slow math path; packed rows go document by document on a CPU and under a mask on a GPU.
#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_sdp_choice.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdlib>

#include "distill/model/attention.h"

#include "attention_notes.h"

namespace distill {
namespace {

constexpr int64_t kMath = 0;

at::Tensor repeat_heads(const at::Tensor& x_BGTK, int64_t times) {
  const auto shape = x_BGTK.sizes();
  return x_BGTK.unsqueeze(2).expand({shape[0], shape[1], times, shape[2], shape[3]}).reshape({shape[0], -1, shape[2], shape[3]});
}

// q [B, H, T, K], k and v [B, G, T, K]; `mask` bool or numbers to add, or undefined with `causal`.
at::Tensor attend(const at::Tensor& q, at::Tensor k, at::Tensor v, const at::Tensor& mask, bool causal, double scale) {
  const int64_t num_kv_heads = k.size(1), group = q.size(1) / num_kv_heads;
  const auto optional_mask = mask.defined() ? std::optional<at::Tensor>(mask) : std::nullopt;
  const bool is_causal = causal && !mask.defined();
  bool grouped = group > 1;
  int64_t choice = at::_fused_sdp_choice(q, k, v, optional_mask, 0.0, is_causal, scale, grouped);
  if (grouped && choice == kMath) {
    k = repeat_heads(k, group);
    v = repeat_heads(v, group);
    grouped = false;
    choice = at::_fused_sdp_choice(q, k, v, optional_mask, 0.0, is_causal, scale, false);
  }
  const AttentionCall call{q, k, v, mask, is_causal, scale};
  note_attention(attention_backend_name(choice), q, num_kv_heads,
                 mask.defined() ? "mask"
                 : causal       ? "causal"
                                : "full",
                 choice == kMath ? why_not_fused : nullptr, &call);
  return at::scaled_dot_product_attention(q, k, v, optional_mask, 0.0, is_causal, scale, grouped);
}

at::Tensor swap(const at::Tensor& x) { return x.transpose(1, 2); }

// Every row is one document: no mask is needed, padding comes last.
at::Tensor attend_rows(const Heads& heads, const ForwardPass& pass, int64_t window, double scale) {
  const at::Tensor mask = window > 0 && window < pass.batch().length() ? pass.visible_BTT(window).unsqueeze(1) : at::Tensor();
  return swap(attend(swap(heads.q_BTHK), swap(heads.k_BTGK), swap(heads.v_BTGK), mask, true, scale));
}

at::Tensor attend_masked(const Heads& heads, const ForwardPass& pass, int64_t window, double scale) {
  const at::Tensor mask = pass.score_mask_B1TT(window, heads.q_BTHK.scalar_type());
  return swap(attend(swap(heads.q_BTHK), swap(heads.k_BTGK), swap(heads.v_BTGK), mask, false, scale));
}

// Lengths of documents and of the padding after them, through the whole batch; padding is negative.
std::vector<int64_t> pieces_of(const TokenBatch& batch) {
  std::vector<int64_t> pieces;
  for (const auto& lengths : batch.document_lengths) {
    int64_t left = batch.length();
    for (int64_t length : lengths) {
      pieces.push_back(length);
      left -= length;
    }
    if (left > 0) pieces.push_back(-left);
  }
  return pieces;
}

// Document by document: no work on what nobody sees, and a document's bits cannot depend on its neighbours.
at::Tensor attend_documents(const Heads& heads, const ForwardPass& pass, int64_t window, double scale) {
  const std::vector<int64_t> pieces = pieces_of(pass.batch());
  std::vector<int64_t> sizes;
  for (int64_t piece : pieces) sizes.push_back(std::abs(piece));
  const auto split = [&](const at::Tensor& x) { return x.flatten(0, 1).split_with_sizes(sizes, 0); };
  const auto q = split(heads.q_BTHK), k = split(heads.k_BTGK), v = split(heads.v_BTGK);
  const auto as_batch = [](const at::Tensor& x_NHK) { return x_NHK.unsqueeze(0).transpose(1, 2); };
  std::vector<at::Tensor> mixed;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i] < 0) {
      mixed.push_back(at::zeros(q[i].sizes(), q[i].options()));
      continue;
    }
    const at::Tensor mask = window > 0 && window < pieces[i] ? pass.visible_in_document(pieces[i], window) : at::Tensor();
    mixed.push_back(
        attend(as_batch(q[i]), as_batch(k[i]), as_batch(v[i]), mask, pass.causal(), scale).transpose(1, 2).squeeze(0));
  }
  return at::cat(mixed).view(heads.q_BTHK.sizes());
}

}  // namespace

at::Tensor fused_attention(const Heads& heads, const ForwardPass& pass, int64_t window, double scale) {
  if (pass.batch().one_document_per_row && pass.causal()) return attend_rows(heads, pass, window, scale);
  if (heads.q_BTHK.device().is_cpu()) return attend_documents(heads, pass, window, scale);
  return attend_masked(heads, pass, window, scale);
}

}  // namespace distill
