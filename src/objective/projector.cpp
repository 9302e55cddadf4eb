#include "distill/objective/projector.h"

#include <ATen/ops/empty.h>

#include <cmath>

#include "distill/core/random.h"

namespace distill {

at::Tensor make_projector(int64_t teacher_size, int64_t student_size, std::pair<int64_t, int64_t> layers, uint64_t seed,
                          const at::TensorOptions& options) {
  constexpr uint64_t kPurpose = 0x70726f6a;  // "proj": keeps this stream apart from others of the same seed
  const uint64_t key = random_key({seed, kPurpose, static_cast<uint64_t>(layers.first), static_cast<uint64_t>(layers.second)});
  const double deviation = 1 / std::sqrt(static_cast<double>(student_size));
  const at::Tensor weight = at::empty({teacher_size, student_size}, at::TensorOptions().dtype(at::kDouble));
  double* entries = weight.mutable_data_ptr<double>();
  for (int64_t i = 0; i < weight.numel(); ++i) entries[i] = deviation * normal(key, static_cast<uint64_t>(i));
  return weight.to(options.device(), options.dtype().toScalarType()).detach().requires_grad_();
}

}  // namespace distill
