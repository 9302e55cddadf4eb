// Terms that compare whom positions attend to. Probabilities are made in tiles of query rows from queries and keys, so that the
// models stay on fused attention; only scripts answer with maps, which are read as they are.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>

#include "distill/model/output.h"
#include "distill/objective/term_table.h"

#include "counted_positions.h"

namespace distill {

// One model's scores of one block. Either `left` (who looks) and `right` (who is looked at), or `maps_BHTT`: probabilities.
struct AttentionSide {
  at::Tensor left_BTHK, right_BTGK;  // H a multiple of G
  double scale = 1, soft_cap = 0;
  int64_t window = 0;
  bool causal = false;
  at::Tensor maps_BHTT;

  int64_t num_heads() const { return maps_BHTT.defined() ? maps_BHTT.size(1) : left_BTHK.size(2); }
};

// The attention of a block itself.
AttentionSide attention_of(const AttentionHeads& heads);
AttentionSide attention_of(const at::Tensor& maps_BHTT);
// A relation of MiniLMv2 (https://arxiv.org/abs/2012.15828): the heads side by side (grouped keys and values once for every query
// head that reads them), cut into `relation_heads` new ones; scaled dot products over the keys that attention sees. `left` and
// `right` are two of the heads' tensors.
AttentionSide relation_of(const AttentionHeads& heads, const at::Tensor& left, const at::Tensor& right, int64_t relation_heads);

// The sum over counted positions of the distance between both sides' distributions of a position, mean over heads; head counts
// that differ are compared through the mean of the probabilities over heads. squared: L2, over all keys. kl: KL(teacher ||
// student), over the keys that both may see, both scaled to 1 there. Undefined when nothing counts. Teacher without gradient.
at::Tensor attention_sum(AttentionDistance distance, const AttentionSide& student, const AttentionSide& teacher,
                         const CountedPositions& positions);

}  // namespace distill
