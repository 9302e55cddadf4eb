// Activations by name.
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tanh.h>

#include "distill/core/error.h"
#include "distill/kernels/gated.h"
#include "distill/model/mlp.h"

namespace distill {

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::silu:
      return at::silu(x);
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::relu:
      return at::relu(x);
    case Activation::tanh:
      return at::tanh(x);
  }
  throw Bug("unknown activation");
}

namespace {

Gate gate_of(Activation activation) {
  switch (activation) {
    case Activation::silu:
      return Gate::silu;
    case Activation::gelu:
      return Gate::gelu;
    case Activation::gelu_tanh:
      return Gate::gelu_tanh;
    case Activation::relu:
      return Gate::relu;
    case Activation::tanh:
      return Gate::tanh;
  }
  throw Bug("unknown activation");
}

}  // namespace

at::Tensor gated_activation(const at::Tensor& gate, const at::Tensor& up, Activation activation) {
  return gated_product(gate, up, gate_of(activation));
}

}  // namespace distill
