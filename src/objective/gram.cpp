#include "gram.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>

#include <memory>

#include "distill/objective/feature_losses.h"
#include "distill/objective/sum_of_pieces.h"

namespace distill {
namespace {

std::vector<at::Tensor> views_of(const at::Tensor& queries_BTX, const at::Tensor& keys_BTX, const Stretch& tile) {
  return {queries_BTX.select(0, tile.row).narrow(0, tile.first_query, tile.num_queries),
          keys_BTX.select(0, tile.row).narrow(0, tile.first_key, tile.num_keys)};
}

at::Tensor cosines(const std::vector<at::Tensor>& rows) { return at::matmul(normalised(rows[0]), normalised(rows[1]).t()); }

struct GramCall {
  at::Tensor teacher_BTD, counts_BT, documents_BT;
  std::vector<Stretch> tiles;

  at::Tensor value(const Stretch& tile, const std::vector<at::Tensor>& student_views) const {
    const at::ScalarType type = student_views[0].scalar_type();
    std::vector<at::Tensor> teacher_views = views_of(teacher_BTD, teacher_BTD, tile);
    for (at::Tensor& view : teacher_views) view = view.to(type);
    const auto documents = views_of(documents_BT, documents_BT, tile), counts = views_of(counts_BT, counts_BT, tile);
    const at::Tensor pairs_NS = documents[0].unsqueeze(1).eq(documents[1].unsqueeze(0)).to(type) * counts[1].to(type);
    const at::Tensor shares_N1 = counts[0].to(type).unsqueeze(1) / pairs_NS.sum(1, /*keepdim=*/true).clamp_min(1);
    return ((cosines(student_views) - cosines(teacher_views)).square() * pairs_NS * shares_N1).sum();
  }
};

}  // namespace

at::Tensor gram_sum(const at::Tensor& student_BTD, const at::Tensor& teacher_BTD, const CountedPositions& positions) {
  const auto call = std::make_shared<GramCall>(
      GramCall{teacher_BTD, positions.counts_BT, positions.documents_BT, tiles_of(positions.stretches, 1, /*causal=*/false)});
  Pieces pieces;
  pieces.count = static_cast<int64_t>(call->tiles.size());
  pieces.views = [call](int64_t piece, const std::vector<at::Tensor>& inputs) {
    return views_of(inputs[0], inputs[1], call->tiles[static_cast<size_t>(piece)]);
  };
  pieces.value = [call](int64_t piece, const std::vector<at::Tensor>& views) {
    return call->value(call->tiles[static_cast<size_t>(piece)], views);
  };
  return sum_of_pieces({student_BTD, student_BTD}, std::move(pieces));
}

}  // namespace distill
