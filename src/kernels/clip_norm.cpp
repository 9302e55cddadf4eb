#include "distill/kernels/clip_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace distill {
namespace {

// Sum of squares in float64. ATen's float32 norm adds in float32 on a CPU: 0.3 % short for a head of 39 million entries.
template <class Number>
double sum_of_squares(const Number* entries, int64_t count) {
  constexpr int kLanes = 16;
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const double entry = static_cast<double>(entries[i + lane]);
      lanes[lane] += entry * entry;
    }
  for (; i < count; ++i) lanes[i % kLanes] += static_cast<double>(entries[i]) * static_cast<double>(entries[i]);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

// Blocks of a fixed size, added in order: the same bits for any number of threads.
template <class Number>
double norm_on_cpu(const at::Tensor& gradient) {
  constexpr int64_t kBlock = 1 << 16;
  const int64_t count = gradient.numel(), blocks = (count + kBlock - 1) / kBlock;
  const Number* entries = gradient.const_data_ptr<Number>();
  std::vector<double> sums(blocks);
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      sums[block] = sum_of_squares(entries + block * kBlock, std::min(kBlock, count - block * kBlock));
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return std::sqrt(total);
}

at::Tensor norm_of(const at::Tensor& gradient) {
  if (!gradient.is_cpu() || !gradient.is_non_overlapping_and_dense())
    return at::linalg_vector_norm(gradient, 2, {}, false, at::kDouble);
  if (gradient.scalar_type() == at::kFloat) return at::scalar_tensor(norm_on_cpu<float>(gradient), at::kDouble);
  if (gradient.scalar_type() == at::kDouble) return at::scalar_tensor(norm_on_cpu<double>(gradient), at::kDouble);
  return at::linalg_vector_norm(gradient, 2, {}, false, at::kDouble);
}

}  // namespace

at::Tensor global_norm(at::TensorList gradients) {
  if (gradients.empty()) return at::zeros({}, at::kDouble);
  // On a GPU the reduction is a tree: float32 is exact enough there, and a float64 copy of every gradient would be costly.
  if (!gradients[0].is_cpu() && gradients[0].scalar_type() == at::kFloat)
    return at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients, 2)).to(at::kDouble), 2);
  std::vector<at::Tensor> norms;
  for (const at::Tensor& gradient : gradients) norms.push_back(norm_of(gradient));
  return at::linalg_vector_norm(at::stack(norms), 2);
}

at::Tensor clip_factor(const at::Tensor& norm, double max_norm) {
  return norm.reciprocal().mul_(max_norm).clamp_max_(1.0);  // a norm of 0 gives inf, clamped to 1
}

}  // namespace distill
