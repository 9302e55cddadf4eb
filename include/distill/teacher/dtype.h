// The type of a teacher's weights, known before any is read.
#pragma once

#include <ATen/core/TensorBody.h>

#include "distill/recipe/teacher.h"

namespace distill {

// `compute_dtype`: the training precision on this kind of device, which `auto` takes on a GPU; on a CPU float32, as low precision
// saves nothing there that matters. Not of a script, whose own types count.
at::ScalarType teacher_dtype(const TeacherRecipe& recipe, at::ScalarType compute_dtype, bool on_cpu);

}  // namespace distill
