#include "distill/kernels/clip_norm.h"

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

namespace distill {

at::Tensor global_norm(at::TensorList gradients) {
  if (gradients.empty()) return at::zeros({}, at::kDouble);
  std::vector<at::Tensor> norms;
  for (const at::Tensor& norm : at::_foreach_norm(gradients, 2)) norms.push_back(norm.to(at::kDouble));
  return at::linalg_vector_norm(at::stack(norms), 2);
}

void clip_by_norm_(at::TensorList gradients, const at::Tensor& norm, double max_norm) {
  if (gradients.empty()) return;
  const at::Tensor factor = norm.reciprocal().mul_(max_norm).clamp_max_(1.0);   // a norm of 0 gives inf, clamped to 1
  at::_foreach_mul_(gradients, factor.to(gradients[0].scalar_type()));
}

}  // namespace distill
