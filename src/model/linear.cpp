// A dense linear layer as one autograd node over the kernels room's products. Written as a Node, not as a Function, because a
// Node saves its inputs before it computes: recomputation can then stop in front of a product that nobody needs again.
#include "distill/model/linear.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
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
at::Tensor gradient_to_add_to(const torch::autograd::Edge& edge) {
  const auto* leaf = dynamic_cast<const torch::autograd::AccumulateGrad*>(edge.function.get());
  const auto* asked_for = torch::autograd::get_current_graph_task_exec_info();
  if (!leaf || !asked_for || !asked_for->empty() || at::GradMode::is_enabled()) return {};
  if (!edge.function->tensor_pre_hooks().empty() || !edge.function->post_hooks().empty()) return {};
  if (edge.function->tensor_post_acc_grad_hooks()) return {};
  const at::Tensor& gradient = leaf->variable.grad();
  return gradient.defined() && gradient.is_contiguous() && gemm::adds_for_free(gradient) ? gradient : at::Tensor();
}

struct LinearBackward : Node {
  torch::autograd::SavedVariable x, weight;  // only what some gradient needs
  std::vector<int64_t> x_shape;
  bool stored_in_out = false;

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
      const at::Tensor sum = gradient_to_add_to(next_edge(1));
      const at::Tensor a = stored_in_out ? x_NI.t() : dy_NO.t(), b = stored_in_out ? dy_NO : x_NI;
      if (sum.defined() && sum.scalar_type() == a.scalar_type()) {
        gemm::add_mm_(sum, a, b);
      } else {
        inputs[1] = product(a, b);
      }
    }
    if (task_should_compute_output(2)) inputs[2] = dy_NO.sum(0);
    return inputs;
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

// All three of one type; bias may be undefined.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, bool stored_in_out) {
  LinearBackward* node = nullptr;
  decltype(torch::autograd::Edge::function) handle;
  if (torch::autograd::compute_requires_grad(x, weight, bias)) {
    node = new LinearBackward;
    handle = handle_of<decltype(handle)>(node);
    node->set_next_edges(torch::autograd::collect_next_edges(x, weight, bias));
    node->x_shape = x.sizes().vec();
    node->stored_in_out = stored_in_out;
    if (weight.requires_grad()) node->x = torch::autograd::SavedVariable(x, false);
    if (x.requires_grad()) node->weight = torch::autograd::SavedVariable(weight, false);
  }
  at::Tensor y;
  {
    const at::AutoDispatchBelowADInplaceOrView no_autograd;
    y = product(rows_of(x), stored_in_out ? weight : weight.t());
    if (bias.defined()) y.add_(bias);
    std::vector<int64_t> shape = x.sizes().vec();
    shape.back() = y.size(1);
    y = y.view(shape);
  }
  if (node) torch::autograd::set_history(y, handle);
  return y;
}

// Cast through autocast's cache: once for each weight and forward pass.
at::Tensor in_type(const at::Tensor& weight, at::ScalarType dtype) {
  if (!weight.defined() || weight.scalar_type() == dtype) return weight;
  return at::autocast::cached_cast(dtype, weight, weight.device().type());
}

}  // namespace

at::Tensor Linear::operator()(const at::Tensor& x) const {
  const at::ScalarType dtype = matmul_dtype(weight);
  if (x.size(-1) != weight.size(stored_in_out ? 0 : 1))
    throw Bug("a linear layer of " + std::to_string(weight.size(stored_in_out ? 0 : 1)) + " inputs met rows of " +
              std::to_string(x.size(-1)));
  return linear(x.to(dtype), in_type(weight, dtype), in_type(bias, dtype), stored_in_out);
}

Linear make_linear(const WeightMap& weights, const std::string& ours) {
  const std::string name = ours + ".weight";
  const at::Tensor weight = weights.get(name);
  return {weight, weights.get_or_none(ours + ".bias"), weights.row_or_none(name)->transform == WeightTransform::transpose};
}

}  // namespace distill
