// A sum that is computed piece by piece and keeps nothing in between: the backward pass computes each piece again. What a piece
// costs is written once, as plain differentiable operations.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace distill {

struct Pieces {
  int64_t count = 0;
  // Views of the inputs that a piece reads; pieces may share parts of an input. Gradients go back through the same views.
  std::function<std::vector<at::Tensor>(int64_t piece, const std::vector<at::Tensor>& inputs)> views;
  // The piece's scalar, from its views in float32 or wider. Pure: it is called twice.
  std::function<at::Tensor(int64_t piece, const std::vector<at::Tensor>& views)> value;
};

// The sum of all pieces, a float64 scalar, differentiable by `inputs`; undefined when there is no piece. At most one piece's
// intermediate values are alive at a time; gradients add up in float32 or wider and end in the inputs' types.
at::Tensor sum_of_pieces(const std::vector<at::Tensor>& inputs, Pieces pieces);

}  // namespace distill
