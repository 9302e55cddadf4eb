// What a tensor holds, in a few numbers.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>

namespace distill {

// How many elements are infinite or NaN; 0 for types that have neither. Works piece by piece, so that the temporary memory
// is bounded whatever the size of the tensor.
int64_t count_non_finite(const at::Tensor& tensor);

}  // namespace distill
