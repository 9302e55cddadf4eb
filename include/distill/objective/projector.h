// The linear map from the student's hidden size to the teacher's: a trained parameter, no bias.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <utility>

namespace distill {

// [D_teacher, D_student], entries N(0, 1 / D_student), a pure function of (seed, student layer, teacher layer) and the sizes.
at::Tensor make_projector(int64_t teacher_size, int64_t student_size, std::pair<int64_t, int64_t> layers, uint64_t seed,
                          const at::TensorOptions& options);

}  // namespace distill
