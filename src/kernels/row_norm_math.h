// One element of a norm, forward and backward: what the CPU loops and the CUDA kernels compute. `mean` is 0 in an RMS norm.
#pragma once

#include "distill/kernels/divergences.h"

namespace distill {

template <class Real>
DISTILL_ROW_FUNCTION Real normed(Real x, Real mean, Real rstd, Real weight, Real bias) {
  return (x - mean) * rstd * weight + bias;
}

// With u = (x - mean) * rstd and h = gradient * weight: dx = rstd * (h - mean(h) - u * mean(h u)), where mean(h) counts for layer
// norms alone.
template <class Real>
struct NormPull {
  Real mean, rstd;
  Real along_one, along_unit;  // mean(h), or 0; mean(h u)
};
template <class Real>
DISTILL_ROW_FUNCTION Real normed_gradient(Real x, Real weight, Real gradient, const NormPull<Real>& pull) {
  const Real unit = (x - pull.mean) * pull.rstd;
  return pull.rstd * (gradient * weight - pull.along_one - unit * pull.along_unit);
}

}  // namespace distill
