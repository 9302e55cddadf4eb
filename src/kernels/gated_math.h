// Activations of gates and their slopes, one number at a time: what the CPU loops and the CUDA kernels compute.
#pragma once

#include "distill/kernels/divergences.h"
#include "distill/kernels/gate.h"

namespace distill {

template <class Real>
struct Activated {
  Real value, slope;
};

// `Math` offers exp, tanh, and normal_cdf(x, e) with e = exp(-x^2 / 2).
template <class Math, class Real>
DISTILL_ROW_FUNCTION Real sigmoid(Real x) {
  return Real(1) / (Real(1) + Math::exp(-x));
}

template <class Math, class Real>
DISTILL_ROW_FUNCTION Activated<Real> silu(Real x) {
  const Real s = sigmoid<Math>(x);
  return {x * s, s * (Real(1) + x * (Real(1) - s))};
}

template <class Math, class Real>
DISTILL_ROW_FUNCTION Activated<Real> gelu(Real x) {
  const Real e = Math::exp(Real(-0.5) * x * x), share = Math::normal_cdf(x, e);
  return {x * share, share + x * e * Real(0.398942280401432678)};
}

// (1 + tanh(u)) / 2 is the sigmoid of 2u: no difference of close numbers.
template <class Math, class Real>
DISTILL_ROW_FUNCTION Activated<Real> gelu_tanh(Real x) {
  constexpr double kTwice = 1.59576912160573071, kCube = 0.044715;  // 2 sqrt(2 / pi)
  const Real square = x * x;
  const Real s = sigmoid<Math>(Real(kTwice) * x * (Real(1) + Real(kCube) * square));
  const Real inner = Real(kTwice) * (Real(1) + Real(3 * kCube) * square);
  return {x * s, s + x * s * (Real(1) - s) * inner};
}

template <class Real>
DISTILL_ROW_FUNCTION Activated<Real> relu(Real x) {
  // Not-a-number passes through.
  return {x <= Real(0) ? Real(0) : x, x <= Real(0) ? Real(0) : Real(1)};
}

template <class Math, class Real>
DISTILL_ROW_FUNCTION Activated<Real> hyperbolic(Real x) {
  const Real t = Math::tanh(x);
  return {t, Real(1) - t * t};
}

template <class Math, class Real>
DISTILL_ROW_FUNCTION Activated<Real> activated(Gate kind, Real x) {
  switch (kind) {
    case Gate::silu:
      return silu<Math>(x);
    case Gate::gelu:
      return gelu<Math>(x);
    case Gate::gelu_tanh:
      return gelu_tanh<Math>(x);
    case Gate::relu:
      return relu(x);
    default:
      return hyperbolic<Math>(x);
  }
}

}  // namespace distill
