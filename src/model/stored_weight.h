// One weight of a checkpoint as it is stored, for what cuts and merges before a model is made of it.
#pragma once

#include <ATen/core/TensorBody.h>

#include "distill/tensor/source.h"

namespace distill {

// On the CPU, in its stored type. InputError, by name, for NaN and infinity.
at::Tensor read_stored(const TensorSource& source, size_t index);

}  // namespace distill
