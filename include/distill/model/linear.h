// A dense linear layer. Products run in the type of matmul_dtype().
#pragma once

#include <ATen/core/TensorBody.h>

#include <memory>
#include <string>

#include "distill/model/weight_map.h"

namespace distill {

// The type in which products with this weight run now: autocast's, else the weight's own.
at::ScalarType matmul_dtype(const at::Tensor& weight);

struct Linear {
  at::Tensor weight;           // [out, in], or [in, out] when stored_in_out
  at::Tensor bias;             // undefined when there is none
  bool stored_in_out = false;  // GPT-2 stores its weights the other way round
  // Where the weight's copy in the type of the products may stay; null or keeping nothing: autocast's, for one forward pass.
  std::shared_ptr<KeptCast> kept = {};

  // x [..., in] of any floating type -> [..., out] in matmul_dtype(). Gradients of weight and bias come in the types of these,
  // added to what is there by the product itself where gemm::add_mm_ can.
  at::Tensor operator()(const at::Tensor& x) const;
};

Linear make_linear(const WeightMap& weights, const std::string& ours);

}  // namespace distill
