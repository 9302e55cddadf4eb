// A micro-batch of tokens: what data makes, and what models and objectives read. All tensors share one device.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace distill {

// Some of many rows, which have counterparts elsewhere: their numbers ascend; on the host, and beside the tensors of a batch.
struct RowPairs {
  std::vector<int64_t> rows;
  at::Tensor rows_P;  // int64
  int64_t size() const { return static_cast<int64_t>(rows.size()); }
};

struct TokenBatch {
  at::Tensor ids_BT;        // int64
  at::Tensor positions_BT;  // int64; restart at 0 with every document; 0 on padding
  at::Tensor documents_BT;  // int64; number of the document within its row from 0; -1 on padding
  at::Tensor targets_BT;    // int64; the label at t + 1 of the same document when position t is kept, else -100
  at::Tensor row_keys_B;    // int64; the row's place in the run (epoch * rows + index): the key of its noise
  // Flat indices (b * T + t) of the kept positions in ascending order, and their targets: int64 [N]. For classifiers: the rows b
  // that have a label, and their classes.
  at::Tensor kept_N;
  at::Tensor kept_targets_N;
  int64_t num_kept = 0;
  int64_t num_tokens = 0;  // that are not padding
  // Every row holds one document, from position 0 on: causal attention needs no further mask.
  bool one_document_per_row = true;
  // Lengths of each row's documents in order, on the host: [B][documents].
  std::vector<std::vector<int64_t>> document_lengths;
  // Only for a teacher with a tokenizer of its own: the same documents, row for row, as it reads them. Its kept_N[p] is the
  // position that has read the same text as position kept_N[pairs.rows[p]] here (data/pairing.h); it has no targets.
  std::shared_ptr<TokenBatch> teacher;
  RowPairs pairs;

  int64_t rows() const { return ids_BT.size(0); }
  int64_t length() const { return ids_BT.size(1); }
  const TokenBatch& read_by_teacher() const { return teacher ? *teacher : *this; }
  TokenBatch to(at::Device device) const;  // non-blocking from pinned memory
  std::vector<at::Tensor*> tensors();      // with those of `teacher`
};

// The batch of row 0 alone, without its labels: for looking at a model.
TokenBatch first_row(const TokenBatch& batch);

}  // namespace distill
