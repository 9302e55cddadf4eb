#include "distill/objective/sum_of_pieces.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "distill/objective/feature_losses.h"
#include "distill/tensor/autocast.h"

namespace distill {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Held : torch::CustomClassHolder {
  explicit Held(Pieces all) : pieces(std::move(all)) {}
  Pieces pieces;
};

std::vector<at::Tensor> wide_views(const Pieces& pieces, int64_t piece, const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> views = pieces.views(piece, inputs);
  for (at::Tensor& view : views) view = widened(view);
  return views;
}

// Adds the gradient of one piece to the buffers.
void add_gradient(const Pieces& pieces, int64_t piece, const std::vector<at::Tensor>& inputs,
                  const std::vector<at::Tensor>& buffers, const at::Tensor& upstream) {
  std::vector<at::Tensor> leaves, gradients;
  {
    const at::AutoGradMode with_graph(true);
    for (const at::Tensor& view : wide_views(pieces, piece, inputs)) leaves.push_back(view.detach().requires_grad_());
    const at::Tensor value = pieces.value(piece, leaves);
    gradients = torch::autograd::grad({value}, leaves, {upstream.to(value.scalar_type())}, /*retain_graph=*/false,
                                      /*create_graph=*/false, /*allow_unused=*/true);
  }
  const std::vector<at::Tensor> into = pieces.views(piece, buffers);
  for (size_t i = 0; i < into.size(); ++i)
    if (gradients[i].defined()) into[i].add_(gradients[i]);
}

struct SumOfPieces : torch::autograd::Function<SumOfPieces> {
  static at::Tensor forward(AutogradContext* context, at::TensorList list, const c10::intrusive_ptr<Held>& held) {
    const variable_list inputs = list.vec();
    context->save_for_backward(inputs);
    context->saved_data["pieces"] = c10::IValue::make_capsule(held);
    const AutocastGuard plain_types(inputs.front().device(), std::nullopt);
    const at::Tensor sum = at::zeros({}, inputs.front().options().dtype(at::kDouble));
    for (int64_t i = 0; i < held->pieces.count; ++i) sum.add_(held->pieces.value(i, wide_views(held->pieces, i, inputs)));
    return sum;
  }

  static variable_list backward(AutogradContext* context, const variable_list& upstream) {
    const variable_list inputs = context->get_saved_variables();
    const auto held = c10::static_intrusive_pointer_cast<Held>(context->saved_data["pieces"].toCapsule());
    const AutocastGuard plain_types(inputs.front().device(), std::nullopt);
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> buffers;
    for (const at::Tensor& input : inputs)
      buffers.push_back(at::zeros(input.sizes(), input.options().dtype(widened_type(input.scalar_type()))));
    for (int64_t i = 0; i < held->pieces.count; ++i) add_gradient(held->pieces, i, inputs, buffers, upstream.front());
    variable_list gradients;
    for (size_t i = 0; i < inputs.size(); ++i) gradients.push_back(buffers[i].to(inputs[i].scalar_type()));
    gradients.emplace_back();  // of `held`
    return gradients;
  }
};

}  // namespace

at::Tensor sum_of_pieces(const std::vector<at::Tensor>& inputs, Pieces pieces) {
  if (pieces.count == 0) return {};
  return SumOfPieces::apply(at::TensorList(inputs), c10::make_intrusive<Held>(std::move(pieces)));
}

}  // namespace distill
