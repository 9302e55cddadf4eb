// One number of an AdamW update: what the CPU loop and the CUDA kernel compute.
#pragma once

#include <cmath>

#include "distill/kernels/divergences.h"

namespace distill {

// The part of a step that is the same for all numbers of a tensor; learning rate, betas and eps in float64.
struct AdamwConstants {
  double learning_rate, beta1, beta2, eps;
};

template <class Real>
struct AdamwNumbers {
  Real gradient_factor, keep;  // keep: 1 - learning rate * decay
  Real beta1, rest1, beta2, rest2;
  Real step_size, inverse_root;  // learning rate and 1 / sqrt, corrected for the start at zero
  Real eps;
};

template <class Real>
#if defined(__CUDACC__)
__host__ __device__
#endif
    inline AdamwNumbers<Real>
    adamw_numbers(const AdamwConstants& c, double step, double gradient_factor, double weight_decay, double rate_factor) {
  const double learning_rate = c.learning_rate * rate_factor;
  AdamwNumbers<Real> n;
  n.gradient_factor = static_cast<Real>(gradient_factor);
  n.keep = static_cast<Real>(1 - learning_rate * weight_decay);
  n.beta1 = static_cast<Real>(c.beta1);
  n.rest1 = static_cast<Real>(1 - c.beta1);
  n.beta2 = static_cast<Real>(c.beta2);
  n.rest2 = static_cast<Real>(1 - c.beta2);
  n.step_size = static_cast<Real>(learning_rate / (1 - pow(c.beta1, step)));
  n.inverse_root = static_cast<Real>(1 / sqrt(1 - pow(c.beta2, step)));
  n.eps = static_cast<Real>(c.eps);
  return n;
}

DISTILL_ROW_FUNCTION float square_root(float x) { return sqrtf(x); }
DISTILL_ROW_FUNCTION double square_root(double x) { return sqrt(x); }

template <class Real>
DISTILL_ROW_FUNCTION void adamw_number(const AdamwNumbers<Real>& n, Real& weight, Real gradient, Real& first, Real& second) {
  const Real g = gradient * n.gradient_factor;
  first = n.beta1 * first + n.rest1 * g;
  second = n.beta2 * second + n.rest2 * g * g;
  weight = weight * n.keep - n.step_size * first / (square_root(second) * n.inverse_root + n.eps);
}

}  // namespace distill
