#include "counted_positions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/nonzero_static.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "distill/core/error.h"
#include "distill/objective/workspace.h"

namespace distill {
namespace {

// The document from `begin` on; its first and last counted positions bound the queries. No queries: nothing counts in it.
Stretch document_stretch(const float* counts_T, int64_t row, int64_t begin, int64_t length) {
  int64_t first = begin, last = begin + length;
  while (first < last && counts_T[first] == 0) ++first;
  while (last > first && counts_T[last - 1] == 0) --last;
  return {row, first, last - first, begin, length};
}

std::vector<Stretch> stretches_of_documents(const TokenBatch& batch, const at::Tensor& counts_BT) {
  std::vector<Stretch> stretches;
  for (size_t row = 0; row < batch.document_lengths.size(); ++row) {
    const float* counts_T = counts_BT.const_data_ptr<float>() + static_cast<int64_t>(row) * batch.length();
    int64_t begin = 0;
    for (const int64_t length : batch.document_lengths[row]) {
      const Stretch stretch = document_stretch(counts_T, static_cast<int64_t>(row), begin, length);
      if (stretch.num_queries > 0) stretches.push_back(stretch);
      begin += length;
    }
  }
  return stretches;
}

std::vector<Stretch> stretches_of_rows(const TokenBatch& batch) {
  std::vector<Stretch> stretches;
  for (int64_t row = 0; row < batch.rows(); ++row) stretches.push_back({row, 0, batch.length(), 0, batch.length()});
  return stretches;
}

}  // namespace

CountedPositions counted_positions(const TokenBatch& batch, bool all) {
  if (batch.document_lengths.size() != static_cast<size_t>(batch.rows()))
    throw Bug("a batch without the lengths of its documents");
  CountedPositions positions;
  positions.here = all ? batch.num_tokens : batch.num_kept;
  positions.documents_BT = batch.documents_BT;
  const at::Tensor is_token_N = batch.documents_BT.reshape({-1}).ge(0);
  positions.flat_N = all ? at::nonzero_static(is_token_N, positions.here).squeeze(1) : batch.kept_N;
  const at::Tensor counts_N = at::zeros({batch.rows() * batch.length()}, batch.documents_BT.options().dtype(at::kFloat));
  positions.counts_BT = counts_N.index_fill_(0, positions.flat_N, 1).view({batch.rows(), batch.length()});
  positions.stretches =
      batch.documents_BT.is_cpu() ? stretches_of_documents(batch, positions.counts_BT) : stretches_of_rows(batch);
  return positions;
}

std::vector<Stretch> tiles_of(const std::vector<Stretch>& stretches, int64_t copies, bool causal) {
  std::vector<Stretch> tiles;
  for (const Stretch& stretch : stretches) {
    const int64_t step = std::max<int64_t>(1, kAttentionTileElements / (copies * stretch.num_keys));
    const int64_t end = stretch.first_query + stretch.num_queries;
    for (int64_t query = stretch.first_query; query < end; query += step) {
      const int64_t behind = std::min(query + step, end);
      const int64_t num_keys = causal ? behind - stretch.first_key : stretch.num_keys;
      tiles.push_back({stretch.row, query, behind - query, stretch.first_key, num_keys});
    }
  }
  return tiles;
}

}  // namespace distill
