#include "distill/tensor/token_batch.h"

namespace distill {

std::vector<at::Tensor*> TokenBatch::tensors() {
  std::vector<at::Tensor*> all = {&ids_BT,     &positions_BT, &documents_BT,   &targets_BT,
                                  &row_keys_B, &kept_N,       &kept_targets_N, &pairs.rows_P};
  if (!teacher) return all;
  const std::vector<at::Tensor*> more = teacher->tensors();
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TokenBatch TokenBatch::to(at::Device device) const {
  TokenBatch moved = *this;
  if (teacher) moved.teacher = std::make_shared<TokenBatch>(*teacher);
  for (at::Tensor* tensor : moved.tensors())
    if (tensor->defined()) *tensor = tensor->to(device, /*non_blocking=*/tensor->device().is_cpu() && tensor->is_pinned());
  return moved;
}

TokenBatch first_row(const TokenBatch& batch) {
  TokenBatch row = batch;
  for (at::Tensor TokenBatch::*member : {&TokenBatch::ids_BT, &TokenBatch::positions_BT, &TokenBatch::documents_BT,
                                         &TokenBatch::targets_BT, &TokenBatch::row_keys_B})
    if ((row.*member).defined()) row.*member = (row.*member).narrow(0, 0, 1);
  row.kept_N = row.kept_targets_N = at::Tensor();
  row.num_kept = 0;
  row.teacher = nullptr;
  row.pairs = {};
  row.document_lengths.resize(1);
  row.num_tokens = 0;
  for (const int64_t length : row.document_lengths[0]) row.num_tokens += length;
  return row;
}

}  // namespace distill
