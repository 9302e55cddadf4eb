#include "stored_weight.h"

#include "distill/core/error.h"
#include "distill/tensor/summary.h"

namespace distill {

at::Tensor read_stored(const TensorSource& source, size_t index) {
  const TensorMeta& meta = source.tensors().at(index);
  at::Tensor tensor = source.read(index, meta.dtype, at::kCPU);
  const int64_t broken = count_non_finite(tensor);
  if (broken > 0)
    throw InputError(
        {source.where(), "finite weights",
         "NaN or infinity in " + meta.name + " (" + std::to_string(broken) + " of " + std::to_string(tensor.numel()) + ")",
         "The checkpoint is damaged or its training diverged: use another one.", ""});
  return tensor;
}

}  // namespace distill
