#include "distill/tensor/visibility.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>

namespace distill {

at::Tensor visible_keys(const at::Tensor& queries_N, const at::Tensor& keys_S, bool causal, int64_t window) {
  const at::Tensor distance_NS = queries_N.unsqueeze(1) - keys_S.unsqueeze(0);
  at::Tensor visible_NS = causal ? distance_NS.ge(0) : at::ones(distance_NS.sizes(), distance_NS.options().dtype(at::kBool));
  if (window > 0) visible_NS = visible_NS.logical_and(causal ? distance_NS.lt(window) : distance_NS.abs().le(window));
  return visible_NS;
}

}  // namespace distill
