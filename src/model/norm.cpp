// Which norm a model has; the arithmetic of rms norms is in the kernels room.
#include "distill/model/norm.h"

#include <ATen/ops/layer_norm.h>

#include "distill/kernels/rms_norm.h"

namespace distill {
namespace {

at::Tensor layer_norm(const Norm& norm, const at::Tensor& x) {
  const at::ScalarType wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto widened = [&](const at::Tensor& t) { return t.defined() ? std::optional<at::Tensor>(t.to(wide)) : std::nullopt; };
  return at::layer_norm(x.to(wide), norm.weight_D.sizes(), widened(norm.weight_D), widened(norm.bias_D), norm.eps);
}

}  // namespace

at::Tensor Norm::operator()(const at::Tensor& x, at::ScalarType out_dtype) const {
  if (kind == NormKind::layer) return layer_norm(*this, x).to(out_dtype);
  return rms_norm(x, weight_D, eps, kind == NormKind::rms_plus_one, out_dtype);
}

Norm make_norm(const ModelSpec& spec, const WeightMap& weights, const std::string& ours) {
  return {spec.norm, spec.norm_eps, weights.get_or_none(ours + ".weight"), weights.get_or_none(ours + ".bias")};
}

}  // namespace distill
