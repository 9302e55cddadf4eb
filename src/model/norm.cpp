// Which norm a model has; the arithmetic is in the kernels room.
#include "distill/model/norm.h"

#include "distill/kernels/row_norm.h"

namespace distill {
at::Tensor Norm::operator()(const at::Tensor& x, at::ScalarType out_dtype) const {
  if (kind == NormKind::layer) return layer_norm(x, weight_D, bias_D, eps, out_dtype);
  return rms_norm(x, weight_D, eps, kind == NormKind::rms_plus_one, out_dtype);
}

Norm make_norm(const ModelSpec& spec, const WeightMap& weights, const std::string& ours) {
  return {spec.norm, spec.norm_eps, weights.get_or_none(ours + ".weight"), weights.get_or_none(ours + ".bias")};
}

}  // namespace distill
