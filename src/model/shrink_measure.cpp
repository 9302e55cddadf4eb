// Which channels, heads and feed-forward units of a teacher stay: measured weight by weight, in float64.
#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "distill/core/error.h"
#include "distill/model/shrink.h"
#include "distill/model/weight_map.h"

#include "stored_weight.h"
#include "weight_axes.h"

namespace distill {
namespace {

constexpr int64_t kPieceElements = int64_t{4} << 20;

// L2 norms of what a matrix holds for each index of `axis`: float64, piece by piece, so that no wide copy of a large table is
// made.
std::vector<double> norms_along(const at::Tensor& matrix, int64_t axis) {
  at::Tensor squares = at::zeros({matrix.size(axis)}, at::kDouble);
  const int64_t step = std::max<int64_t>(1, kPieceElements / std::max<int64_t>(1, matrix.size(1)));
  for (int64_t begin = 0; begin < matrix.size(0); begin += step) {
    const int64_t length = std::min(step, matrix.size(0) - begin);
    const at::Tensor piece = matrix.narrow(0, begin, length).to(at::kDouble).square().sum(1 - axis);
    axis == 0 ? squares.narrow(0, begin, length).add_(piece) : squares.add_(piece);
  }
  const at::Tensor norms = squares.sqrt();
  return {norms.const_data_ptr<double>(), norms.const_data_ptr<double>() + norms.numel()};
}

// The `count` indices with the largest scores, ascending; of equal ones the lower.
std::vector<int64_t> largest(const std::vector<double>& scores, int64_t count) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  order.resize(static_cast<size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<int64_t> all(int64_t count) {
  std::vector<int64_t> indices(static_cast<size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

// [K, K] of rows that read: v vT; of columns that write: outT out. With both, the norm of out * v needs no [D, D] product.
at::Tensor gram(const at::Tensor& rows_KD) {
  const at::Tensor wide = rows_KD.to(at::kDouble);
  return wide.matmul(wide.t());
}

// What was measured of one block so far.
struct BlockScores {
  std::vector<at::Tensor> value_grams;  // until the output projection has been read
  std::vector<double> head_norms, unit_squares;
};

class Measuring {
 public:
  Measuring(const ModelSpec& teacher, const ModelSizes& sizes)
      : teacher_(teacher),
        sizes_(sizes),
        other_width_(sizes.hidden_size != teacher.hidden_size),
        other_heads_(sizes.num_heads != teacher.num_heads || sizes.num_kv_heads != teacher.num_kv_heads),
        other_units_(sizes.intermediate_size != teacher.intermediate_size),
        channels_(static_cast<size_t>(teacher.hidden_size), 0),
        blocks_(static_cast<size_t>(teacher.num_layers)) {}

  // Must this weight be read?
  [[nodiscard]] bool asks_for(const WeightRow& row) const {
    const int64_t layer = layer_of(row.ours);
    if (layer >= 0 && !std::binary_search(sizes_.layers.begin(), sizes_.layers.end(), layer)) return false;
    return counts_channels(row) || counts_heads(row) || counts_units(row);
  }
  void take(const WeightRow& row, const at::Tensor& stored) {
    const bool turned = row.transform == WeightTransform::transpose && stored.dim() == 2;
    const at::Tensor weight = turned ? stored.t() : stored;  // [out, in]
    if (counts_channels(row)) add_channels(row, stored);
    if (counts_heads(row)) add_heads(row, weight);
    if (counts_units(row)) add_units(row, weight);
  }
  [[nodiscard]] KeptParts choose() const;

 private:
  static bool is_norm(const WeightRow& row) { return stem_of(row.ours).ends_with("norm"); }
  [[nodiscard]] bool counts_channels(const WeightRow& row) const {
    const std::vector<Axis> axes = axes_of(row);
    return other_width_ && !is_norm(row) && std::find(axes.begin(), axes.end(), Axis::channels) != axes.end();
  }
  [[nodiscard]] bool counts_heads(const WeightRow& row) const {
    const std::string_view stem = stem_of(row.ours);
    return other_heads_ && row.shape.size() == 2 && (stem == "attention.v" || stem == "attention.qkv" || stem == "attention.out");
  }
  [[nodiscard]] bool counts_units(const WeightRow& row) const {
    return other_units_ && row.shape.size() == 2 && stem_of(row.ours).starts_with("mlp.");
  }
  BlockScores& block(const WeightRow& row) { return blocks_[static_cast<size_t>(layer_of(row.ours))]; }

  void add_channels(const WeightRow& row, const at::Tensor& stored) {
    const std::vector<Axis> axes = axes_of(row);
    for (size_t axis = 0; axis < axes.size(); ++axis) {
      if (axes[axis] != Axis::channels) continue;
      const std::vector<double> norms =
          stored.dim() == 1 ? norms_along(stored.unsqueeze(1), 0) : norms_along(stored, static_cast<int64_t>(axis));
      for (size_t d = 0; d < norms.size(); ++d) channels_[d] += norms[d];
    }
  }
  void add_heads(const WeightRow& row, const at::Tensor& weight);
  void add_units(const WeightRow& row, const at::Tensor& weight);
  void choose_heads(KeptBlock& kept) const;

  const ModelSpec& teacher_;
  const ModelSizes& sizes_;
  bool other_width_, other_heads_, other_units_;
  std::vector<double> channels_;
  std::vector<BlockScores> blocks_;
};

// Rows of a projection that make the values of key/value head `g`.
at::Tensor value_rows(const ModelSpec& spec, const at::Tensor& weight, int64_t g) {
  const int64_t K = spec.head_size;
  switch (spec.qkv) {
    case QkvLayout::separate:
      return weight.narrow(0, g * K, K);
    case QkvLayout::stacked:
      return weight.narrow(0, (spec.num_heads + spec.num_kv_heads + g) * K, K);
    case QkvLayout::per_head:
      return weight.narrow(0, (3 * g + 2) * K, K);
  }
  throw Bug("a layout of q, k and v without values");
}

// Values come before the output projection in the list of weights.
void Measuring::add_heads(const WeightRow& row, const at::Tensor& weight) {
  BlockScores& scores = block(row);
  if (stem_of(row.ours) != "attention.out") {
    for (int64_t g = 0; g < teacher_.num_kv_heads; ++g) scores.value_grams.push_back(gram(value_rows(teacher_, weight, g)));
    return;
  }
  const int64_t in_group = teacher_.num_heads / teacher_.num_kv_heads;
  for (int64_t h = 0; h < teacher_.num_heads; ++h) {
    const at::Tensor written = gram(weight.narrow(1, h * teacher_.head_size, teacher_.head_size).t());
    const double square = (written * scores.value_grams.at(static_cast<size_t>(h / in_group))).sum().item<double>();
    scores.head_norms.push_back(std::sqrt(std::max(0.0, square)));
  }
  scores.value_grams.clear();
}

void Measuring::add_units(const WeightRow& row, const at::Tensor& weight) {
  const auto num_units = static_cast<size_t>(teacher_.intermediate_size);
  std::vector<double>& squares = block(row).unit_squares;
  squares.resize(num_units, 0);
  const std::vector<double> norms = norms_along(weight, stem_of(row.ours) == "mlp.down" ? 1 : 0);
  for (size_t i = 0; i < norms.size(); ++i) squares[i % num_units] += norms[i] * norms[i];  // gates, then ups, of a fused matrix
}

void Measuring::choose_heads(KeptBlock& kept) const {
  const std::vector<double>& norms = blocks_[static_cast<size_t>(kept.layer)].head_norms;
  const int64_t in_group = teacher_.num_heads / teacher_.num_kv_heads, kept_in_group = sizes_.num_heads / sizes_.num_kv_heads;
  std::vector<double> groups(static_cast<size_t>(teacher_.num_kv_heads), 0);
  for (size_t h = 0; h < norms.size(); ++h) groups[h / static_cast<size_t>(in_group)] += norms[h] * norms[h];
  kept.kv_heads = largest(groups, sizes_.num_kv_heads);
  for (const int64_t g : kept.kv_heads) {
    const std::vector<double> own(norms.begin() + g * in_group, norms.begin() + (g + 1) * in_group);
    for (const int64_t h : largest(own, kept_in_group)) kept.heads.push_back(g * in_group + h);
  }
}

KeptParts Measuring::choose() const {
  KeptParts parts;
  parts.channels = other_width_ ? largest(channels_, sizes_.hidden_size) : all(teacher_.hidden_size);
  for (const int64_t layer : sizes_.layers) {
    KeptBlock& kept = parts.blocks.emplace_back();
    kept.layer = layer;
    const BlockScores& scores = blocks_[static_cast<size_t>(layer)];
    kept.units = other_units_ ? largest(scores.unit_squares, sizes_.intermediate_size) : all(teacher_.intermediate_size);
    if (other_heads_) {
      choose_heads(kept);
    } else {
      kept.heads = all(teacher_.num_heads);
      kept.kv_heads = all(teacher_.num_kv_heads);
    }
  }
  return parts;
}

}  // namespace

KeptParts choose_parts(const ModelSpec& teacher, const TensorSource& source, const ModelSizes& sizes) {
  const std::vector<WeightRow> rows = weight_rows(teacher);
  const WeightMatch match = checked_match(teacher, rows, source);
  Measuring measuring(teacher, sizes);
  for (size_t i = 0; i < rows.size(); ++i)
    if (match.places[i] && !rows[i].carried && measuring.asks_for(rows[i]))
      measuring.take(rows[i], read_stored(source, *match.places[i]));
  return measuring.choose();
}

}  // namespace distill
