// For `_CUDA` tests: the same call on both devices.
#pragma once

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "distill/tensor/device.h"

namespace distill::testing_kernels {

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return a.numel() == 0 ? 0 : (a.cpu().to(at::kDouble) - b.cpu().to(at::kDouble)).abs().max().item<double>();
}

// A leaf of its own on another device.
inline at::Tensor leaf_on(const at::Tensor& x, at::Device device) { return x.detach().to(device).set_requires_grad(true); }

// Rounding of a type, relative.
inline double rounding(at::ScalarType type) {
  return type == at::kBFloat16 ? 8e-3 : type == at::kHalf ? 1e-3 : type == at::kFloat ? 2e-6 : 1e-14;
}

}  // namespace distill::testing_kernels
