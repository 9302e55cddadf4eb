// The AdamW update of many tensors in one walk over memory: the gradient is scaled (loss scale and clip at once), moments and
// weight move, and the gradient is left at zero for the next update. Nothing waits for the device.
#pragma once

#include <ATen/core/TensorBody.h>

#include <vector>

namespace distill {

// Same device, sizes and dense strides; float32 or float64.
struct AdamwTensors {
  at::Tensor weight, gradient, first_moment, second_moment;
  at::Tensor narrow;  // float16 or bfloat16: receives the new weight; undefined = nobody wants it
  double weight_decay = 0;
  double rate_factor = 1;  // of the step's learning rate
};

struct AdamwStep {
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  at::Tensor step;             // float32 scalar: this update's number, from 1
  at::Tensor gradient_factor;  // float64 scalar; undefined = 1
  at::Tensor found_inf;        // float32 scalar: where it is 1, gradients become zero and nothing else moves
};

// Loshchilov and Hutter, https://arxiv.org/abs/1711.05101. On a CPU the bits do not depend on the number of threads.
void adamw_(const std::vector<AdamwTensors>& tensors, const AdamwStep& step);

}  // namespace distill
