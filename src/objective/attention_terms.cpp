#include "attention_terms.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "distill/objective/feature_losses.h"
#include "distill/objective/sum_of_pieces.h"
#include "distill/tensor/visibility.h"

namespace distill {
namespace {

// Rows and keys of a tile. S: keys of the tile.
at::Tensor queries_of(const at::Tensor& x_BTHK, const Stretch& tile) {
  return x_BTHK.select(0, tile.row).narrow(0, tile.first_query, tile.num_queries);
}
at::Tensor keys_of(const at::Tensor& x_BTGK, const Stretch& tile) {
  return x_BTGK.select(0, tile.row).narrow(0, tile.first_key, tile.num_keys);
}

std::vector<at::Tensor> views_of(const AttentionSide& side, const std::vector<at::Tensor>& tensors, const Stretch& tile) {
  if (!side.maps_BHTT.defined()) return {queries_of(tensors[0], tile), keys_of(tensors[1], tile)};
  const at::Tensor rows_HNT = tensors[0].select(0, tile.row).narrow(1, tile.first_query, tile.num_queries);
  return {rows_HNT.narrow(2, tile.first_key, tile.num_keys)};
}

std::vector<at::Tensor> tensors_of(const AttentionSide& side) {
  if (side.maps_BHTT.defined()) return {side.maps_BHTT};
  return {side.left_BTHK, side.right_BTGK};
}

at::Tensor scores_HNS(const AttentionSide& side, const at::Tensor& left_NHK, const at::Tensor& right_SGK) {
  const int64_t N = left_NHK.size(0), H = left_NHK.size(1), K = left_NHK.size(2), S = right_SGK.size(0), G = right_SGK.size(1);
  const at::Tensor left_GRK = left_NHK.view({N, G, H / G, K}).permute({1, 2, 0, 3}).reshape({G, H / G * N, K});
  const at::Tensor scores = at::matmul(left_GRK * side.scale, right_SGK.permute({1, 2, 0})).view({H, N, S});
  return side.soft_cap > 0 ? at::tanh(scores / side.soft_cap) * side.soft_cap : scores;
}

// The lowest finite number, not -inf: differences of what nobody sees stay free of NaN.
at::Tensor hidden_out(const at::Tensor& scores_HNS, const at::Tensor& visible_NS) {
  return scores_HNS.masked_fill(visible_NS.logical_not(), std::numeric_limits<float>::lowest());
}

// Who sees whom within the documents; `side` adds its own rule when it has one.
at::Tensor visible_to(const AttentionSide& side, const at::Tensor& same_document_NS, const Stretch& tile) {
  if (side.maps_BHTT.defined()) return same_document_NS;
  const auto positions = at::TensorOptions().dtype(at::kLong).device(same_document_NS.device());
  const at::Tensor queries_N = at::arange(tile.first_query, tile.first_query + tile.num_queries, positions);
  const at::Tensor keys_S = at::arange(tile.first_key, tile.first_key + tile.num_keys, positions);
  return same_document_NS.logical_and(visible_keys(queries_N, keys_S, side.causal, side.window));
}

at::Tensor probabilities_of(const AttentionSide& side, const std::vector<at::Tensor>& views, const at::Tensor& visible_NS) {
  if (side.maps_BHTT.defined()) return views[0].masked_fill(visible_NS.logical_not(), 0);
  return at::softmax(hidden_out(scores_HNS(side, views[0], views[1]), visible_NS), -1);
}

// Of maps: scaled to 1 over what is visible; probabilities below the smallest normal number count as that.
at::Tensor log_probabilities_of(const AttentionSide& side, const std::vector<at::Tensor>& views, const at::Tensor& visible_NS) {
  if (!side.maps_BHTT.defined()) return at::log_softmax(hidden_out(scores_HNS(side, views[0], views[1]), visible_NS), -1);
  constexpr double kSmallest = std::numeric_limits<float>::min();
  const at::Tensor seen_HNS = probabilities_of(side, views, visible_NS);
  return (seen_HNS / seen_HNS.sum(-1, /*keepdim=*/true).clamp_min(kSmallest)).clamp_min(kSmallest).log();
}

at::Tensor mean_over_heads(const at::Tensor& probabilities_HNS) { return probabilities_HNS.mean(0, /*keepdim=*/true); }
at::Tensor log_mean_over_heads(const at::Tensor& logs_HNS) {
  return at::logsumexp(logs_HNS, at::IntArrayRef{0}, /*keepdim=*/true) - std::log(static_cast<double>(logs_HNS.size(0)));
}

struct TileSides {
  const AttentionSide &student, &teacher;
  const std::vector<at::Tensor>&student_views, &teacher_views;
  at::Tensor student_visible_NS, teacher_visible_NS;
  bool same_heads() const { return student.num_heads() == teacher.num_heads(); }
};

at::Tensor squared_distance_HN(const TileSides& tile) {
  at::Tensor s_HNS = probabilities_of(tile.student, tile.student_views, tile.student_visible_NS);
  at::Tensor t_HNS = probabilities_of(tile.teacher, tile.teacher_views, tile.teacher_visible_NS);
  if (!tile.same_heads()) s_HNS = mean_over_heads(s_HNS), t_HNS = mean_over_heads(t_HNS);
  return (s_HNS - t_HNS.to(s_HNS.scalar_type())).square().sum(-1);
}

at::Tensor kl_HN(const TileSides& tile) {
  const at::Tensor both_NS = tile.student_visible_NS.logical_and(tile.teacher_visible_NS);
  at::Tensor s_HNS = log_probabilities_of(tile.student, tile.student_views, both_NS);
  at::Tensor t_HNS = log_probabilities_of(tile.teacher, tile.teacher_views, both_NS);
  if (!tile.same_heads()) s_HNS = log_mean_over_heads(s_HNS), t_HNS = log_mean_over_heads(t_HNS);
  t_HNS = t_HNS.to(s_HNS.scalar_type());
  return (t_HNS.exp() * (t_HNS - s_HNS)).masked_fill(both_NS.logical_not(), 0).sum(-1);
}

// What all tiles of one call share; lives until the backward pass is over.
struct AttentionCall {
  AttentionDistance distance;
  AttentionSide student, teacher;
  at::Tensor counts_BT, documents_BT;
  std::vector<Stretch> tiles;

  at::Tensor value(const Stretch& tile, const std::vector<at::Tensor>& student_views) const {
    std::vector<at::Tensor> teacher_views = views_of(teacher, tensors_of(teacher), tile);
    for (at::Tensor& view : teacher_views) view = view.to(student_views[0].scalar_type());
    const at::Tensor documents_T = documents_BT.select(0, tile.row);
    const at::Tensor queries_N = documents_T.narrow(0, tile.first_query, tile.num_queries);
    const at::Tensor same_NS = queries_N.unsqueeze(1).eq(documents_T.narrow(0, tile.first_key, tile.num_keys).unsqueeze(0));
    const TileSides sides{
        student, teacher, student_views, teacher_views, visible_to(student, same_NS, tile), visible_to(teacher, same_NS, tile)};
    const at::Tensor cost_N = (distance == AttentionDistance::kl ? kl_HN(sides) : squared_distance_HN(sides)).mean(0);
    const at::Tensor counts_N = counts_BT.select(0, tile.row).narrow(0, tile.first_query, tile.num_queries);
    return (cost_N * counts_N.to(cost_N.scalar_type())).sum();
  }
};

// [B, T, G, K] -> [B, T, A, H * K / A]; each of the G once for every query head of its group.
at::Tensor side_by_side(const at::Tensor& x_BTGK, int64_t num_heads, int64_t relation_heads) {
  const int64_t B = x_BTGK.size(0), T = x_BTGK.size(1), G = x_BTGK.size(2), K = x_BTGK.size(3);
  const at::Tensor all = x_BTGK.unsqueeze(3).expand({B, T, G, num_heads / G, K}).reshape({B, T, num_heads * K});
  return all.view({B, T, relation_heads, num_heads * K / relation_heads});
}

}  // namespace

AttentionSide attention_of(const AttentionHeads& heads) {
  return {heads.q_BTHK, heads.k_BTGK, heads.scale, heads.soft_cap, heads.window, heads.causal, {}};
}

AttentionSide attention_of(const at::Tensor& maps_BHTT) {
  AttentionSide side;
  side.maps_BHTT = maps_BHTT;
  return side;
}

AttentionSide relation_of(const AttentionHeads& heads, const at::Tensor& left, const at::Tensor& right, int64_t relation_heads) {
  const int64_t num_heads = heads.q_BTHK.size(2);
  const at::Tensor left_BTAK = side_by_side(left, num_heads, relation_heads);
  const at::Tensor right_BTAK = left.is_same(right) ? left_BTAK : side_by_side(right, num_heads, relation_heads);
  const double scale = 1 / std::sqrt(static_cast<double>(left_BTAK.size(3)));
  return {left_BTAK, right_BTAK, scale, 0, heads.window, heads.causal, {}};
}

at::Tensor attention_sum(AttentionDistance distance, const AttentionSide& student, const AttentionSide& teacher,
                         const CountedPositions& positions) {
  const int64_t heads = std::max(student.num_heads(), teacher.num_heads());
  const auto call =
      std::make_shared<AttentionCall>(AttentionCall{distance, student, teacher, positions.counts_BT, positions.documents_BT,
                                                    tiles_of(positions.stretches, heads, student.causal && teacher.causal)});
  // What the tiles differentiate are leaves of their own; the call keeps facts and shapes only.
  for (at::Tensor* tensor : {&call->student.left_BTHK, &call->student.right_BTGK, &call->student.maps_BHTT,
                             &call->teacher.left_BTHK, &call->teacher.right_BTGK, &call->teacher.maps_BHTT})
    if (tensor->defined()) *tensor = tensor->detach();
  Pieces pieces;
  pieces.count = static_cast<int64_t>(call->tiles.size());
  pieces.views = [call](int64_t piece, const std::vector<at::Tensor>& inputs) {
    return views_of(call->student, inputs, call->tiles[static_cast<size_t>(piece)]);
  };
  pieces.value = [call](int64_t piece, const std::vector<at::Tensor>& views) {
    return call->value(call->tiles[static_cast<size_t>(piece)], views);
  };
  return sum_of_pieces(tensors_of(student), std::move(pieces));
}

}  // namespace distill
