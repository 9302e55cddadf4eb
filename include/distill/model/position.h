// Rotary positions as transformers computes them (modeling_rope_utils): frequencies once per model, tables once per forward.
#pragma once

#include <ATen/core/TensorBody.h>

#include <memory>

#include "distill/spec/spec.h"
#include "distill/tensor/token_batch.h"

namespace distill {

// Tables of cosines and sines (float32, or float64 for float64 models) and the row of each token; rows undefined = row t.
struct RotaryTables {
  at::Tensor cos_PR, sin_PR, rows_BT;
};

class Rotary {
 public:
  Rotary(const RopeSpec& rope, int64_t max_positions);
  explicit Rotary(const ModelSpec& spec) : Rotary(spec.rope, spec.max_positions) {}
  RotaryTables tables(const TokenBatch& batch, at::ScalarType dtype) const;
  // Inverse frequencies [R], float32 on the CPU, for a document of this many tokens; dynamic scaling and LongRoPE alone ask for
  // the length.
  at::Tensor inverse_frequencies(int64_t document_length) const;
  double attention_factor() const { return attention_factor_; }

 private:
  bool length_matters(const TokenBatch& batch) const;
  RotaryTables tables_per_token(const TokenBatch& batch, at::ScalarType dtype) const;

  // Tables of the longest batch so far: what a forward pass needs again is neither made nor moved to the device again.
  struct Kept;
  RotaryTables kept_tables(int64_t length, at::ScalarType dtype, at::Device device) const;

  RopeSpec rope_;
  int64_t stretched_beyond_;  // documents longer than this have other frequencies
  double attention_factor_;
  std::shared_ptr<Kept> kept_;
};

}  // namespace distill
