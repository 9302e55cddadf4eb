// Masks, rotary tables and noise of one forward pass.
#include "distill/model/forward_pass.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "distill/tensor/visibility.h"

namespace distill {

ForwardPass::ForwardPass(const ModelSpec& spec, const Rotaries& rotaries, const TokenBatch& batch, const ForwardOptions& options,
                         at::ScalarType wide_dtype)
    : batch_(batch), options_(options), causal_(spec.causal) {
  if (rotaries.whole) rotary_ = rotaries.whole->tables(batch, wide_dtype);
  if (rotaries.local) local_rotary_ = rotaries.local->tables(batch, wide_dtype);
}

at::Tensor ForwardPass::padding_BT() const { return batch_.documents_BT.lt(0); }

namespace {

// Position rules alone: [T, T], true where query t may see key s.
at::Tensor window_mask(int64_t length, int64_t window, bool causal, at::Device device) {
  const at::Tensor t = at::arange(length, at::TensorOptions().dtype(at::kLong).device(device));
  return visible_keys(t, t, causal, window);
}

}  // namespace

at::Tensor ForwardPass::visible_BTT(int64_t window) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  at::Tensor& visible = visible_BTT_[window];
  if (visible.defined()) return visible;
  const at::NoGradGuard no_grad;
  visible = window_mask(batch_.length(), window, causal_, batch_.ids_BT.device()).unsqueeze(0);
  if (batch_.one_document_per_row && causal_) return visible;  // padding comes last, where nobody looks
  const at::Tensor& documents = batch_.documents_BT;
  const at::Tensor same = documents.unsqueeze(2).eq(documents.unsqueeze(1)).logical_and_(documents.ge(0).unsqueeze(1));
  visible = visible.logical_and(same);
  return visible;
}

at::Tensor ForwardPass::score_mask_B1TT(int64_t window, at::ScalarType dtype) const {
  const at::Tensor visible_B1TT = visible_BTT(window).unsqueeze(1);
  const std::lock_guard<std::mutex> lock(mutex_);
  at::Tensor& mask = score_mask_B1TT_[{window, dtype}];
  if (mask.defined()) return mask;
  const at::NoGradGuard no_grad;
  const int64_t length = visible_B1TT.size(3), apart = (length + 15) / 16 * 16;
  mask = at::zeros({visible_B1TT.size(0), 1, length, apart}, visible_B1TT.options().dtype(dtype)).narrow(3, 0, length);
  mask.masked_fill_(visible_B1TT.logical_not(), -std::numeric_limits<double>::infinity());
  return mask;
}

at::Tensor ForwardPass::visible_in_document(int64_t length, int64_t window) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  at::Tensor& visible = visible_in_document_[{length, window}];
  if (!visible.defined()) {
    const at::NoGradGuard no_grad;
    visible = window_mask(length, window, causal_, batch_.ids_BT.device());
  }
  return visible;
}

at::Tensor ForwardPass::dropout(const at::Tensor& x, double rate, uint64_t site) const {
  if (!options_.train || rate == 0) return x;
  return keyed_dropout(x, rate, {options_.noise_key, batch_.row_keys_B, site});
}

}  // namespace distill
