// What holds for one forward pass and is shared by all blocks: the batch, who may see whom, rotary tables, options. It lives
// until the backward pass is over when blocks are recomputed.
#pragma once

#include <ATen/core/TensorBody.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "distill/kernels/dropout.h"
#include "distill/model/position.h"
#include "distill/model/transformer.h"

namespace distill {

// The rotary positions of a model: none, one set, or another one for the layers that say so.
struct Rotaries {
  std::optional<Rotary> whole, local;
};

class ForwardPass {
 public:
  ForwardPass(const ModelSpec& spec, const Rotaries& rotaries, const TokenBatch& batch, const ForwardOptions& options,
              at::ScalarType wide_dtype);

  const TokenBatch& batch() const { return batch_; }
  const ForwardOptions& options() const { return options_; }
  const RotaryTables& rotary(bool local) const { return local ? local_rotary_ : rotary_; }
  bool has_padding() const { return batch_.num_tokens < batch_.rows() * batch_.length(); }
  bool causal() const { return causal_; }
  // Queries that see nothing: true on padding. Bool [B, T].
  at::Tensor padding_BT() const;
  // Who sees whom with a sliding window (0 = none), documents and padding taken into account: bool [B or 1, T, T], made once.
  at::Tensor visible_BTT(int64_t window) const;
  // The same as numbers to add to scores, 0 or -inf, [B or 1, 1, T, T] of `dtype`, made once: fused kernels on a GPU would turn a
  // bool mask into this in every layer. Rows lie 16 numbers apart or a multiple, as those kernels want them.
  at::Tensor score_mask_B1TT(int64_t window, at::ScalarType dtype) const;
  // The same within one document of `length` tokens: bool [length, length], made once.
  at::Tensor visible_in_document(int64_t length, int64_t window) const;
  // Dropout of this pass; the rate is 0 outside training.
  at::Tensor dropout(const at::Tensor& x, double rate, uint64_t site) const;

 private:
  TokenBatch batch_;
  ForwardOptions options_;
  bool causal_;
  RotaryTables rotary_, local_rotary_;
  mutable std::mutex mutex_;
  mutable std::map<int64_t, at::Tensor> visible_BTT_;
  mutable std::map<std::pair<int64_t, at::ScalarType>, at::Tensor> score_mask_B1TT_;
  mutable std::map<std::pair<int64_t, int64_t>, at::Tensor> visible_in_document_;
};

// Places of dropout in a model: a different mask at each.
inline uint64_t embedding_site() { return 0; }
inline uint64_t classifier_site() { return ~uint64_t{0}; }
enum class BlockSite : uint64_t { attention = 1, attention_out = 2, mlp_out = 3 };
inline uint64_t block_site(int64_t layer, BlockSite site) {
  return static_cast<uint64_t>(layer) * 4 + static_cast<uint64_t>(site);
}

}  // namespace distill
