// A micro-batch as the logits terms see it: kept rows and heads of both models in the type of the products.
#pragma once

#include <cstdint>
#include <optional>

#include "distill/kernels/linear_divergence.h"
#include "distill/model/output.h"
#include "distill/tensor/token_batch.h"

namespace distill {

struct LogitsSides {
  LinearDivergence::Student student;  // wants no gradient until the caller says so
  std::optional<HeadRows> teacher;
  const RowSource* teacher_rows() const { return teacher ? &*teacher : nullptr; }
};

struct HeadCasts {
  HeadCast student, teacher;
};

// `teacher` may be null. `vocabulary_limit`: ids from here on are dropped on both sides; 0 = none. Bug when the teacher's
// vocabulary does not reach that far: models are checked before a run starts. A teacher with a tokenizer of its own
// (TokenBatch::teacher) keeps its whole vocabulary, and has the rows of the pairs; these point into `batch`.
LogitsSides logits_sides(const ForwardOutput& student, const ForwardOutput* teacher, const TokenBatch& batch,
                         at::ScalarType dtype, int64_t vocabulary_limit, HeadCasts& casts);

// Rows of [B,T,D] at flat positions b * T + t.
at::Tensor rows_at(const at::Tensor& hidden_BTD, const at::Tensor& positions_N);

}  // namespace distill
