// The term that compares which positions of a document resemble each other, whatever the widths of the models are.
#pragma once

#include <ATen/core/TensorBody.h>

#include "counted_positions.h"

namespace distill {

// Gram matrices of cosines between the counted positions of a document. The sum over counted positions of the mean, over the
// counted positions of the same document, of (cosine of the student's rows - cosine of the teacher's rows)^2. In tiles; undefined
// when nothing counts. Teacher without gradient.
at::Tensor gram_sum(const at::Tensor& student_BTD, const at::Tensor& teacher_BTD, const CountedPositions& positions);

}  // namespace distill
