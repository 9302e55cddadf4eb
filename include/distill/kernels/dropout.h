// Dropout whose mask is a pure function of keys and coordinates: micro-batch splits, padding length, recomputation, devices and
// resumed runs cannot change it, and the backward pass needs no stored mask.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>

namespace distill {

struct DropoutKey {
  uint64_t noise_key = 0;  // hash of (seed, update)
  at::Tensor row_keys_B;   // int64, on the device of the input: what each row of the batch is
  uint64_t site = 0;       // which dropout of the model
};

// x [B, T, D] (coordinates t, d) or [B, H, T, K] (coordinates h, t, k) floating, each axis below 2^21. Elements survive with
// probability 1 - rate and are divided by it. Rate 0 returns x itself. Differentiable.
at::Tensor keyed_dropout(const at::Tensor& x, double rate, const DropoutKey& key);

}  // namespace distill
