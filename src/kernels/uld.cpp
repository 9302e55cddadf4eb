#include "uld.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

namespace distill {
namespace {

constexpr int64_t kBytes = 64'000'000;  // about what sorting may hold
constexpr int64_t kBytesPerEntry = 48;  // probabilities, sorted ones, ranks and differences of both sides

at::Tensor probabilities(const at::Tensor& logits_CV, double temperature) {
  const at::ScalarType wide = logits_CV.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return at::softmax(logits_CV.to(wide).div(temperature), 1);
}

// Probabilities have no sign, so the bits of a float32 order them as the numbers do: three passes of 11 bits sort a row, largest
// first, equal ones in their order. Comparing sorts take ten times as long.
constexpr int kDigitBits = 11, kPasses = 3;
constexpr uint32_t kDigits = 1U << kDigitBits, kSignless = 0x7fffffffU;

uint32_t digit(uint64_t key, int pass) { return static_cast<uint32_t>(key >> (kDigitBits * pass)) & (kDigits - 1); }

// Sorts `words` by the key in their bits from kShift on; `other` is as large. The result is in `words`.
template <int kShift, class Word>
void sort_descending(std::vector<Word>& words, std::vector<Word>& other) {
  std::array<std::array<uint32_t, kDigits>, kPasses> counts{};
  for (const Word word : words)
    for (int pass = 0; pass < kPasses; ++pass) ++counts[pass][digit(word >> kShift, pass)];
  for (int pass = 0; pass < kPasses; ++pass) {
    uint32_t before = 0;
    for (uint32_t value = kDigits; value-- > 0;) {
      const uint32_t here = counts[pass][value];
      counts[pass][value] = before;
      before += here;
    }
    for (const Word word : words) other[counts[pass][digit(word >> kShift, pass)]++] = word;
    words.swap(other);
  }
}

uint32_t key_of(float probability) {
  uint32_t bits;
  std::memcpy(&bits, &probability, sizeof(bits));
  return bits & kSignless;  // a NaN may have a sign
}

float probability_of(uint32_t key) {
  float probability;
  std::memcpy(&probability, &key, sizeof(key));
  return probability;
}

// Sorts and compares row by row; what it holds is kept from row to row.
class RowMarker {
 public:
  RowMarker(int64_t student_width, int64_t teacher_width)
      : student_(student_width), student_space_(student_width), teacher_(teacher_width), teacher_space_(teacher_width) {}

  // Writes the signs of a row; the distance is the answer.
  double mark(const float* student, const float* teacher, int8_t* signs) {
    for (size_t id = 0; id < student_.size(); ++id) student_[id] = static_cast<uint64_t>(key_of(student[id])) << 32 | id;
    for (size_t id = 0; id < teacher_.size(); ++id) teacher_[id] = key_of(teacher[id]);
    sort_descending<32>(student_, student_space_);
    sort_descending<0>(teacher_, teacher_space_);
    double distance = 0;
    for (size_t rank = 0; rank < student_.size(); ++rank) {
      const float theirs = rank < teacher_.size() ? probability_of(teacher_[rank]) : 0.f;
      const float difference = probability_of(static_cast<uint32_t>(student_[rank] >> 32)) - theirs;
      signs[static_cast<uint32_t>(student_[rank])] = static_cast<int8_t>((difference > 0) - (difference < 0));
      distance += std::abs(static_cast<double>(difference));
    }
    for (size_t rank = student_.size(); rank < teacher_.size(); ++rank) distance += probability_of(teacher_[rank]);
    return distance;
  }

 private:
  std::vector<uint64_t> student_, student_space_;  // probability and id
  std::vector<uint32_t> teacher_, teacher_space_;
};

void mark_float32_rows(const at::Tensor& student_CV, const at::Tensor& teacher_CW, const at::Tensor& signs_CV,
                       const at::Tensor& values_C) {
  const int64_t width = student_CV.size(1), teacher_width = teacher_CW.size(1);
  const auto* student = student_CV.const_data_ptr<float>();
  const auto* teacher = teacher_CW.const_data_ptr<float>();
  auto* signs = signs_CV.mutable_data_ptr<int8_t>();
  auto* values = values_C.mutable_data_ptr<double>();
  at::parallel_for(0, student_CV.size(0), 1, [&](int64_t begin, int64_t end) {
    RowMarker marker(width, teacher_width);
    for (int64_t row = begin; row < end; ++row)
      values[row] = marker.mark(student + row * width, teacher + row * teacher_width, signs + row * width);
  });
}

struct Ranked {
  at::Tensor probabilities_CV, ids_CV;  // descending
};

Ranked ranked(const at::Tensor& probabilities_CV) {
  const auto [sorted_CV, ids_CV] = at::sort(probabilities_CV, /*stable=*/true, 1, /*descending=*/true);
  return {sorted_CV, ids_CV};
}

void mark_rows(const at::Tensor& student_CV, const at::Tensor& teacher_CW, const at::Tensor& signs_CV,
               const at::Tensor& values_C) {
  const Ranked student = ranked(student_CV), teacher = ranked(teacher_CW);
  const int64_t width = student_CV.size(1), common = std::min(width, teacher_CW.size(1));
  at::Tensor difference_CV = student.probabilities_CV;
  difference_CV.narrow(1, 0, common).sub_(teacher.probabilities_CV.narrow(1, 0, common));
  signs_CV.scatter_(1, student.ids_CV, difference_CV.sign().to(at::kChar));
  values_C.copy_(difference_CV.abs_().sum(1, /*keepdim=*/false, at::kDouble));
  if (teacher_CW.size(1) > common)
    values_C.add_(teacher.probabilities_CV.narrow(1, common, teacher_CW.size(1) - common).sum(1, false, at::kDouble));
}

void mark_slab(const at::Tensor& student_CV, const at::Tensor& teacher_CW, double temperature, const at::Tensor& signs_CV,
               const at::Tensor& values_C) {
  const at::Tensor ours_CV = probabilities(student_CV, temperature), theirs_CW = probabilities(teacher_CW, temperature);
  const bool by_digits = ours_CV.is_cpu() && ours_CV.scalar_type() == at::kFloat && signs_CV.is_contiguous();
  (by_digits ? mark_float32_rows : mark_rows)(ours_CV, theirs_CW, signs_CV, values_C);
}

// The same for the student's rows `rows_P`, wherever they stand.
void mark_paired_slab(const at::Tensor& student_CV, const at::Tensor& rows_P, const at::Tensor& teacher_PW, double temperature,
                      const UldMarks& marks) {
  const at::Tensor chosen_PV = student_CV.index_select(0, rows_P);
  const at::Tensor signs_PV = at::empty(chosen_PV.sizes(), marks.signs_CV.options());
  const at::Tensor values_P = at::empty(rows_P.sizes(), marks.values_C.options());
  mark_slab(chosen_PV, teacher_PW, temperature, signs_PV, values_P);
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
      mark_paired_slab(student_CV, paired_P.narrow(0, begin, count), teacher_CW, temperature, marks);
    else
      mark_slab(student_CV.narrow(0, begin, count), teacher_CW, temperature, signs_CV.narrow(0, begin, count),
                marks.values_C.narrow(0, begin, count));
  }
  return marks;
}

}  // namespace distill
