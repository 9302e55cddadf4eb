// Copies saved tensors back into live ones, by name.
#pragma once

#include <vector>

#include "distill/tensor/source.h"

namespace distill {

// Each tensor takes the values that `source` has under its name, bit for bit. InputError names the first that is missing, of
// another shape or of another type. Tensors of the source that nobody asked for are left alone.
void restore_tensors(const std::vector<NamedTensor>& tensors, const TensorSource& source);

}  // namespace distill
