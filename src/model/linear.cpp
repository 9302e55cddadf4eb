// A dense linear layer over ATen's product.
#include "distill/model/linear.h"

#include <ATen/ops/linear.h>

#include "distill/tensor/autocast.h"

namespace distill {

at::ScalarType matmul_dtype(const at::Tensor& weight) {
  // Autocast leaves float64 alone.
  if (weight.scalar_type() == at::kDouble) return at::kDouble;
  return autocast_dtype(weight.device()).value_or(weight.scalar_type());
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  return at::linear(x.to(matmul_dtype(weight)), stored_in_out ? weight.t() : weight,
                    bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt);
}

Linear make_linear(const WeightMap& weights, const std::string& ours) {
  const std::string name = ours + ".weight";
  const at::Tensor weight = weights.get(name);
  return {weight, weights.get_or_none(ours + ".bias"), weights.row_or_none(name)->transform == WeightTransform::transpose};
}

}  // namespace distill
