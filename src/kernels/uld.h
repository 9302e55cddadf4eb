// Universal logit distillation (Boizard et al., 2024): the L1 distance of both sides' probabilities, each sorted on its own, so
// that vocabularies need not share their ids. Sorting sees whole rows at once, so it comes before the row kernel, as marks.
#pragma once

#include <ATen/core/TensorBody.h>

namespace distill {

struct UldMarks {
  at::Tensor signs_CV;  // int8: of the student's probability minus the teacher's of the same rank
  at::Tensor values_C;  // float64: the distance
};

// Logits [C,V] and [P,W] of any float type; the narrower side counts as padded with zeros. Row p of the teacher belongs to row
// paired_P[p] (int64) of the student, or to row p when that is undefined; rows without a teacher get signs and values of 0.
// Computes in float32 (float64 for float64) over a few rows at a time; the signs are written into `signs_CV`, int8 of the
// student's shape.
UldMarks uld_marks(const at::Tensor& student_CV, const at::Tensor& teacher_PW, double temperature, const at::Tensor& signs_CV,
                   const at::Tensor& paired_P = {});

}  // namespace distill
