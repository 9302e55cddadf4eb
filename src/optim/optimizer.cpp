#include "distill/optim/optimizer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "distill/core/error.h"
#include "distill/kernels/adamw.h"
#include "distill/tensor/kept_cast.h"
#include "distill/tensor/restore.h"

namespace distill {

Optimizer::Optimizer(const OptimizerRecipe& recipe, std::vector<NamedTensor> parameters,
                     const std::map<std::string, double>& peak_rates)
    : recipe_(recipe) {
  const at::NoGradGuard no_grad;
  for (NamedTensor& parameter : parameters)
    if (parameter.tensor.requires_grad()) parameters_.push_back(std::move(parameter));
  if (parameters_.empty())
    throw RecipeError({"student.freeze", "something to train", "every part frozen", "Remove a part from student.freeze.", ""});
  step_ = at::zeros({}, parameters_.front().tensor.options().dtype(at::kFloat).requires_grad(false));
  for (const NamedTensor& parameter : parameters_) {
    const auto own_peak = peak_rates.find(parameter.name);
    const bool has_own = own_peak != peak_rates.end() && recipe.learning_rate > 0;
    rate_factors_.push_back(has_own ? own_peak->second / recipe.learning_rate : 1);
    first_moments_.push_back(at::zeros_like(parameter.tensor));
    second_moments_.push_back(at::zeros_like(parameter.tensor));
  }
}

std::vector<at::Tensor> Optimizer::gradients() const {
  std::vector<at::Tensor> gradients;
  for (const NamedTensor& parameter : parameters_) {
    at::Tensor& gradient = parameter.tensor.mutable_grad();
    if (!gradient.defined()) gradient = at::zeros_like(parameter.tensor, parameter.tensor.options().requires_grad(false));
    gradients.push_back(gradient);
  }
  return gradients;
}

void Optimizer::set_gradients(const std::vector<at::Tensor>& gradients) {
  for (size_t i = 0; i < parameters_.size(); ++i)
    parameters_[i].tensor.mutable_grad() = gradients.empty() ? at::Tensor() : gradients.at(i);
}

void Optimizer::zero_gradients() {
  const at::NoGradGuard no_grad;
  for (const NamedTensor& parameter : parameters_)
    if (parameter.tensor.grad().defined()) parameter.tensor.mutable_grad().zero_();  // kept: the next update needs it again
}

namespace {

// The kept 16-bit copy that a step moves along with its weight. One that is out of date is left to its reader: a skipped step
// writes nothing.
at::Tensor current_copy(const NamedTensor& parameter) {
  return parameter.kept && parameter.kept->is_current(parameter.tensor) ? parameter.kept->copy() : at::Tensor();
}

}  // namespace

void Optimizer::step(double learning_rate, const at::Tensor& found_inf, const at::Tensor& gradient_factor) {
  const at::NoGradGuard no_grad;
  step_.add_(1).sub_(found_inf);
  const std::vector<at::Tensor> all = gradients();
  std::vector<AdamwTensors> tensors;
  for (size_t i = 0; i < parameters_.size(); ++i)
    tensors.push_back({parameters_[i].tensor, all[i], first_moments_[i], second_moments_[i], current_copy(parameters_[i]),
                       parameters_[i].matrix ? recipe_.weight_decay : 0, rate_factors_[i]});
  adamw_(tensors, {learning_rate, recipe_.betas[0], recipe_.betas[1], recipe_.eps, step_, gradient_factor, found_inf});
  // The kernel writes behind the back of the version counters; casts of a weight that are kept elsewhere watch them.
  for (size_t i = 0; i < parameters_.size(); ++i) {
    parameters_[i].tensor.unsafeGetTensorImpl()->bump_version();
    if (tensors[i].narrow.defined()) parameters_[i].kept->set_current(parameters_[i].tensor);
  }
}

std::vector<NamedTensor> Optimizer::state() const {
  std::vector<NamedTensor> state{{"step", step_}};
  for (size_t i = 0; i < parameters_.size(); ++i) {
    state.push_back({parameters_[i].name + ".exp_avg", first_moments_[i]});
    state.push_back({parameters_[i].name + ".exp_avg_sq", second_moments_[i]});
  }
  return state;
}

void Optimizer::restore(const TensorSource& source) {
  const at::NoGradGuard no_grad;
  restore_tensors(state(), source);
}

}  // namespace distill
