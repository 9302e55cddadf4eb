// A dense linear layer. Products run in the type of matmul_dtype().
#pragma once

#include <ATen/core/TensorBody.h>

#include <string>

#include "distill/model/weight_map.h"

namespace distill {

// The type in which products with this weight run now: autocast's, else the weight's own.
at::ScalarType matmul_dtype(const at::Tensor& weight);

struct Linear {
  at::Tensor weight;           // [out, in], or [in, out] when stored_in_out
  at::Tensor bias;             // undefined when there is none
  bool stored_in_out = false;  // GPT-2 stores its weights the other way round

  // x [..., in] of any floating type -> [..., out] in matmul_dtype().
  at::Tensor operator()(const at::Tensor& x) const;
};

Linear make_linear(const WeightMap& weights, const std::string& ours);

}  // namespace distill
