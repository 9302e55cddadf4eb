#include "uld.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace distill {
namespace {

constexpr int64_t kBytes = 64'000'000;  // about what sorting may hold
constexpr int64_t kBytesPerEntry = 48;  // probabilities, sorted ones, ranks and differences of both sides

struct Ranked {
  at::Tensor probabilities_CV, ids_CV;  // descending
};

Ranked ranked(const at::Tensor& logits_CV, double temperature) {
  const at::ScalarType wide = logits_CV.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor probabilities_CV = at::softmax(logits_CV.to(wide).div(temperature), 1);
  const auto [sorted_CV, ids_CV] = at::sort(probabilities_CV, /*stable=*/true, 1, /*descending=*/true);
  return {sorted_CV, ids_CV};
}

void mark_rows(const at::Tensor& student_CV, const at::Tensor& teacher_CW, double temperature, at::Tensor signs_CV,
               at::Tensor values_C) {
  const Ranked student = ranked(student_CV, temperature), teacher = ranked(teacher_CW, temperature);
  const int64_t width = student_CV.size(1), common = std::min(width, teacher_CW.size(1));
  at::Tensor difference_CV = student.probabilities_CV;
  difference_CV.narrow(1, 0, common).sub_(teacher.probabilities_CV.narrow(1, 0, common));
  signs_CV.scatter_(1, student.ids_CV, difference_CV.sign().to(at::kChar));
  values_C.copy_(difference_CV.abs_().sum(1, /*keepdim=*/false, at::kDouble));
  if (teacher_CW.size(1) > common)
    values_C.add_(teacher.probabilities_CV.narrow(1, common, teacher_CW.size(1) - common).sum(1, false, at::kDouble));
}

// The same for the student's rows `rows_P`, wherever they stand.
void mark_paired_rows(const at::Tensor& student_CV, const at::Tensor& rows_P, const at::Tensor& teacher_PW, double temperature,
                      const UldMarks& marks) {
  const at::Tensor chosen_PV = student_CV.index_select(0, rows_P);
  const at::Tensor signs_PV = at::empty(chosen_PV.sizes(), marks.signs_CV.options());
  const at::Tensor values_P = at::empty(rows_P.sizes(), marks.values_C.options());
  mark_rows(chosen_PV, teacher_PW, temperature, signs_PV, values_P);
  marks.signs_CV.index_copy_(0, rows_P, signs_PV);
  marks.values_C.index_copy_(0, rows_P, values_P);
}

}  // namespace

UldMarks uld_marks(const at::Tensor& student_CV, const at::Tensor& teacher_PW, double temperature, const at::Tensor& signs_CV,
                   const at::Tensor& paired_P) {
  const int64_t rows = teacher_PW.size(0), width = std::max(student_CV.size(1), teacher_PW.size(1));
  const auto options = student_CV.options().dtype(at::kDouble).requires_grad(false);
  const UldMarks marks{signs_CV, paired_P.defined() ? at::zeros({student_CV.size(0)}, options) : at::empty({rows}, options)};
  if (paired_P.defined()) marks.signs_CV.zero_();
  const int64_t slab = std::max<int64_t>(1, kBytes / (kBytesPerEntry * width));
  for (int64_t begin = 0; begin < rows; begin += slab) {
    const int64_t count = std::min(slab, rows - begin);
    const at::Tensor teacher_CW = teacher_PW.narrow(0, begin, count);
    if (paired_P.defined())
      mark_paired_rows(student_CV, paired_P.narrow(0, begin, count), teacher_CW, temperature, marks);
    else
      mark_rows(student_CV.narrow(0, begin, count), teacher_CW, temperature, signs_CV.narrow(0, begin, count),
                marks.values_C.narrow(0, begin, count));
  }
  return marks;
}

}  // namespace distill
