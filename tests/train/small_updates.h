// Two tiny models and updates of two micro-batches for tests that call run_step themselves.
#pragma once

#include "distill/train/step.h"

#include "model/support.h"
#include "train/run_fixture.h"

namespace distill {

inline Transformer tiny_model(int64_t hidden, int64_t layers, at::ScalarType dtype, bool trainable) {
  return Transformer::initialise(read_spec(tiny_config(hidden, layers), "tiny"), 3, {dtype, at::kCPU, trainable});
}

inline ModelShape shape_of(const ModelSpec& spec) {
  return {spec.num_layers, spec.hidden_size, spec.num_heads, spec.head_width(), spec.head_size};
}

// Update `number`, counted from 1: rows that no other has.
inline Update small_update(int64_t number) {
  Update update;
  update.index = number - 1;
  for (uint64_t copy = 0; copy < 2; ++copy) {
    update.micro_batches.push_back(testing_model::make_batch(
        {{testing_model::random_document(9, kTestVocabulary, 2 * static_cast<uint64_t>(number) + copy)}}));
    update.kept_tokens += update.micro_batches.back().num_kept;
    update.input_tokens += update.micro_batches.back().num_tokens;
  }
  return update;
}

}  // namespace distill
