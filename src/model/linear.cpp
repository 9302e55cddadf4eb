// A dense linear layer as one autograd node over the kernels room's products. Written as a Node, not as a Function, because a
// Node saves its inputs before it computes: recomputation can then stop in front of a product that nobody needs again.
#include "distill/model/linear.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/graph_task.h>
#include <torch/csrc/autograd/saved_variable.h>

#include "distill/core/error.h"
#include "distill/kernels/gemm.h"
#include "distill/tensor/autocast.h"

namespace distill {

at::ScalarType matmul_dtype(const at::Tensor& weight) {
  // Autocast leaves float64 alone.
  if (weight.scalar_type() == at::kDouble) return at::kDouble;
  return autocast_dtype(weight.device()).value_or(weight.scalar_type());
}

namespace {

using torch::autograd::Node;

at::Tensor product(const at::Tensor& a_NK, const at::Tensor& b_KM) {
  const at::Tensor out_NM = at::empty({a_NK.size(0), b_KM.size(1)}, a_NK.options());
  gemm::mm_out(out_NM, a_NK, b_KM);
  return out_NM;
}

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}).contiguous(); }

// The buffer that a leaf's gradient may be added to at once, so that no product of the weight's size appears beside it; undefined
// where the engine must see the gradient: the first of an update, hooks, torch::autograd::grad.
at::Tensor gradient_to_add_to(const torch::autograd::Edge& edge, const at::Tensor& a, const at::Tensor& b) {
  const auto* leaf = dynamic_cast<const torch::autograd::AccumulateGrad*>(edge.function.get());
  const auto* asked_for = torch::autograd::get_current_graph_task_exec_info();
  if (!leaf || !asked_for || !asked_for->empty() || at::GradMode::is_enabled()) return {};
  if (!edge.function->tensor_pre_hooks().empty() || !edge.function->post_hooks().empty()) return {};
  if (edge.function->tensor_post_acc_grad_hooks()) return {};
  const at::Tensor& gradient = leaf->variable.grad();
  return gradient.defined() && gradient.is_contiguous() && gemm::adds_for_free(gradient, a, b) ? gradient : at::Tensor();
}

struct LinearBackward : Node {
  torch::autograd::SavedVariable x, weight;  // in the type of the product; only what some gradient needs
  std::vector<int64_t> x_shape;
  bool stored_in_out = false;
  at::ScalarType weight_dtype = at::kFloat, bias_dtype = at::kFloat;  // of the parameters themselves

  torch::autograd::variable_list apply(torch::autograd::variable_list&& grads) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    torch::autograd::variable_list inputs(3);
    if (!grads[0].defined()) return inputs;
    const at::Tensor dy_NO = rows_of(grads[0]);
    if (task_should_compute_output(0)) {
      const at::Tensor w = weight.unpack();
      inputs[0] = product(dy_NO, stored_in_out ? w.t() : w).view(x_shape);
    }
    if (task_should_compute_output(1)) {
      const at::Tensor x_NI = rows_of(x.unpack());
      inputs[1] = stored_in_out ? weight_gradient(x_NI.t(), dy_NO) : weight_gradient(dy_NO.t(), x_NI);
    }
    if (task_should_compute_output(2)) inputs[2] = dy_NO.sum(0, /*keepdim=*/false, bias_dtype);
    return inputs;
  }

  // a b for the engine, or undefined where it was added to the weight's gradient at once.
  at::Tensor weight_gradient(const at::Tensor& a, const at::Tensor& b) const {
    at::Tensor sum = gradient_to_add_to(next_edge(1), a, b);
    if (!sum.defined() && weight_dtype == a.scalar_type()) return product(a, b);
    const bool is_new = !sum.defined();
    if (is_new) sum = at::zeros({a.size(0), b.size(1)}, a.options().dtype(weight_dtype));
    gemm::add_mm_(sum, a, b);
    return is_new ? sum : at::Tensor();
  }

  std::string name() const override { return "LinearBackward"; }
  void release_variables() override {
    x.reset_data();
    weight.reset_data();
  }
};

// Handles of nodes are shared_ptr in this torch and intrusive_ptr in later ones.
template <class Handle>
Handle handle_of(LinearBackward* node) {
  if constexpr (std::is_same_v<Handle, std::shared_ptr<Node>>) {
    return Handle(node, [](auto* dead) { deleteNode(dead); });
  } else {
    return Handle::unsafe_steal_from_new(node);
  }
}

// A parameter and the same numbers in the type of the product; both undefined when there is none.
struct Cast {
  const at::Tensor& parameter;
  at::Tensor used;
};

// The graph leads from the product straight to the parameters: a cast is no step of it.
at::Tensor linear(const at::Tensor& x, const Cast& weight, const Cast& bias, bool stored_in_out) {
  LinearBackward* node = nullptr;
  decltype(torch::autograd::Edge::function) handle;
  if (torch::autograd::compute_requires_grad(x, weight.parameter, bias.parameter)) {
    node = new LinearBackward;
    handle = handle_of<decltype(handle)>(node);
    node->set_next_edges(torch::autograd::collect_next_edges(x, weight.parameter, bias.parameter));
    node->x_shape = x.sizes().vec();
    node->stored_in_out = stored_in_out;
    node->weight_dtype = weight.parameter.scalar_type();
    if (bias.parameter.defined()) node->bias_dtype = bias.parameter.scalar_type();
    if (weight.parameter.requires_grad()) node->x = torch::autograd::SavedVariable(x, false);
    if (x.requires_grad()) node->weight = torch::autograd::SavedVariable(weight.used, false);
  }
  at::Tensor y;
  {
    const at::AutoDispatchBelowADInplaceOrView no_autograd;
    y = product(rows_of(x), stored_in_out ? weight.used : weight.used.t());
    if (bias.used.defined()) y.add_(bias.used);
    std::vector<int64_t> shape = x.sizes().vec();
    shape.back() = y.size(1);
    y = y.view(shape);
  }
  if (node) torch::autograd::set_history(y, handle);
  return y;
}

// Through autocast's cache: once for each parameter and forward pass.
at::Tensor autocast_copy(const at::Tensor& parameter, at::ScalarType dtype) {
  if (!parameter.defined() || parameter.scalar_type() == dtype) return parameter;
  return at::autocast::cached_cast(dtype, parameter, parameter.device().type()).detach();
}

}  // namespace

at::Tensor Linear::operator()(const at::Tensor& x) const {
  const at::ScalarType dtype = matmul_dtype(weight);
  if (x.size(-1) != weight.size(stored_in_out ? 0 : 1))
    throw Bug("a linear layer of " + std::to_string(weight.size(stored_in_out ? 0 : 1)) + " inputs met rows of " +
              std::to_string(x.size(-1)));
  const bool is_kept = weight.scalar_type() != dtype && kept && kept->keeps(dtype);
  return linear(x.to(dtype), {weight, is_kept ? kept->of(weight) : autocast_copy(weight, dtype)},
                {bias, autocast_copy(bias, dtype)}, stored_in_out);
}

Linear make_linear(const WeightMap& weights, const std::string& ours) {
  const std::string name = ours + ".weight";
  return {weights.get(name), weights.get_or_none(ours + ".bias"),
          weights.row_or_none(name)->transform == WeightTransform::transpose, weights.kept(name)};
}

}  // namespace distill
