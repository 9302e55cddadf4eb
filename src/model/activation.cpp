// Activations, and the gated product as one autograd node.
#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>
#include <ATen/ops/threshold_backward.h>
#include <torch/csrc/autograd/custom_function.h>

#include "distill/core/error.h"
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

at::Tensor activation_gradient(const at::Tensor& grad, const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::silu:
      return at::silu_backward(grad, x);
    case Activation::gelu:
      return at::gelu_backward(grad, x);
    case Activation::gelu_tanh:
      return at::gelu_backward(grad, x, "tanh");
    case Activation::relu:
      return at::threshold_backward(grad, x, 0);
    case Activation::tanh:
      return at::tanh_backward(grad, at::tanh(x));
  }
  throw Bug("unknown activation");
}

struct GatedFunction : torch::autograd::Function<GatedFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& gate, const at::Tensor& up,
                            int64_t activation) {
    context->save_for_backward({gate, up});
    context->saved_data["activation"] = activation;
    return activate(gate, static_cast<Activation>(activation)).mul_(up);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &gate = saved[0], &up = saved[1], &grad = grads[0];
    const auto activation = static_cast<Activation>(context->saved_data["activation"].toInt());
    const at::Tensor d_up = activate(gate, activation).mul_(grad);
    return {activation_gradient(grad * up, gate, activation), d_up, at::Tensor()};
  }
};

}  // namespace

at::Tensor gated_activation(const at::Tensor& gate, const at::Tensor& up, Activation activation) {
  return GatedFunction::apply(gate, up, static_cast<int64_t>(activation));
}

}  // namespace distill
