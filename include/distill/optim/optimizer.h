// The optimizer: moments beside float32 (or float64) master weights, a step that can be skipped on the device, exact state.
#pragma once

#include <ATen/core/TensorBody.h>

#include <map>
#include <string>
#include <vector>

#include "distill/recipe/optim.h"
#include "distill/tensor/source.h"

namespace distill {

// AdamW (Loshchilov and Hutter, 2019) over the kernels room's one walk. Decay applies to matrices only.
class Optimizer {
 public:
  // Takes the parameters that require grad. All of one device and of one type, float32 or float64. `peak_rates`: parameters by
  // name whose learning rate is the same share of a peak of their own.
  Optimizer(const OptimizerRecipe& recipe, std::vector<NamedTensor> parameters,
            const std::map<std::string, double>& peak_rates = {});

  const std::vector<NamedTensor>& parameters() const { return parameters_; }
  // The gradients in parameter order; a parameter that got none in this update counts as zero.
  std::vector<at::Tensor> gradients() const;
  // Puts other tensors in place of the gradients, in parameter order; none: the next backward makes new ones.
  void set_gradients(const std::vector<at::Tensor>& gradients);
  void zero_gradients();
  // One update with the parameters' gradients times `gradient_factor` (float64 scalar; undefined = 1); the gradients are zero
  // afterwards. `found_inf` (float32 scalar): where it is 1, no bit of weights or moments moves.
  void step(double learning_rate, const at::Tensor& found_inf, const at::Tensor& gradient_factor = {});

  // Moments `<name>.exp_avg`, `<name>.exp_avg_sq` and `step` (float32 scalar: updates that were not skipped).
  std::vector<NamedTensor> state() const;
  // Copies the values in. InputError when a tensor is missing or misshapen.
  void restore(const TensorSource& source);

 private:
  OptimizerRecipe recipe_;
  std::vector<NamedTensor> parameters_;
  std::vector<at::Tensor> first_moments_, second_moments_;
  at::Tensor step_;                   // shared by all parameters
  std::vector<double> rate_factors_;  // of the learning rate; 1, or what a peak of its own makes of it
};

}  // namespace distill
