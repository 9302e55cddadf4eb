// The norms of a transformer: facts of the spec, float32 or wider inside.
#pragma once

#include <ATen/core/TensorBody.h>

#include <string>

#include "distill/model/weight_map.h"
#include "distill/spec/spec.h"

namespace distill {

struct Norm {
  NormKind kind = NormKind::rms;
  double eps = 1e-6;
  at::Tensor weight_D, bias_D;  // weight undefined: no norm here

  bool defined() const { return weight_D.defined(); }
  // Over the last axis; the result has `out_dtype`.
  at::Tensor operator()(const at::Tensor& x, at::ScalarType out_dtype) const;
};

// Undefined when the spec has no such norm.
Norm make_norm(const ModelSpec& spec, const WeightMap& weights, const std::string& ours);

}  // namespace distill
