// The tensors of one transformer block by their bytes, as src/model/{block,attention,mlp}.cpp make them.
#pragma once

#include <cstdint>

#include "distill/spec/spec.h"

namespace distill {

struct BlockFacts {
  int64_t tokens = 0, length = 0;  // B * T, T
  int64_t wide = 4, product = 4;   // bytes of a number in the residual stream and in products
  bool on_gpu = false, packed = false, expands_keys = false;
  bool shows_probabilities = false;  // as maps, which only eager attention has
  double attention_dropout = 0;
  // Does a product of the stream's type, or a narrow one, go straight into the gradient, without a tensor of its own?
  bool adds_in_place = true, adds_wide = false;
};

// What one half of a block makes: attention or mlp, with the norm in front.
struct HalfBytes {
  int64_t kept = 0;            // from the forward pass to the backward pass
  int64_t product_inputs = 0;  // of `kept`: read for the gradients of weights only
  int64_t cheap = 0;           // of `kept`: what selective checkpointing makes again
  int64_t passing = 0;         // beside `kept` at the widest moment of the forward pass
  // At the widest moment of the backward pass: gradients, less what has been let go of by then. With everything kept, and with
  // `cheap` made again (and not counted in what is kept).
  int64_t backward = 0, backward_lean = 0;
};

struct BlockBytes {
  int64_t input = 0;          // the residual stream in front, when something keeps it
  int64_t heads = 0;          // queries, keys and values as attention reads them
  int64_t probabilities = 0;  // as maps
  int64_t addition = 0;       // what attention adds to the stream: lives until the forward pass of the block is done
  HalfBytes attention, mlp;
  int64_t num_matrix_elements = 0;
};

BlockBytes block_bytes(const ModelSpec& spec, const BlockFacts& facts);

}  // namespace distill
