// The feed-forward sublayer, gated or plain.
#pragma once

#include <ATen/core/TensorBody.h>

#include "distill/model/linear.h"
#include "distill/spec/spec.h"

namespace distill {

// act(x), and act(gate) * up that keeps gate and up for the backward pass and nothing else.
at::Tensor activate(const at::Tensor& x, Activation activation);
at::Tensor gated_activation(const at::Tensor& gate, const at::Tensor& up, Activation activation);

struct Mlp {
  Activation activation = Activation::silu;
  bool gated = true;
  Linear gate, up, down;
  Linear gate_up;  // one product for both when the checkpoint stores them so

  // `lean`: the activation is computed again in the backward pass.
  const Linear& first() const { return gate_up.weight.defined() ? gate_up : up; }
  at::Tensor operator()(const at::Tensor& x_BTD, bool lean) const;
};

Mlp make_mlp(const ModelSpec& spec, const WeightMap& weights, int64_t layer);

}  // namespace distill
