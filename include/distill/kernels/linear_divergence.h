// Head projection and logits terms in one go, forward and backward, over chunks of rows: two head products, one row kernel
// for all terms, the gradient in place of the student's logits, then hidden and head gradients. The workspace is two chunks of
// logits, whatever the number of rows, and stays for the next call.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <vector>

#include "distill/kernels/divergence_rows.h"
#include "distill/kernels/row_source.h"

namespace distill {

struct LogitsTerm {
  Divergence kind = Divergence::kl;
  double weight = 1;
  double temperature = 1;
  bool t_squared = true;  // temperature squared multiplies value and gradient
  double beta = 0.5;      // jsd, strictly between 0 and 1
};

// Rows of a chunk when nobody says otherwise: 64 to 512, at most about 160 MB of logits per side.
int64_t chunk_rows(int64_t vocab, at::ScalarType dtype);

class LinearDivergence {
 public:
  // At most kMaxTerms terms with kMaxTemperatures temperatures, else RecipeError. `rows_per_chunk` 0 = chunk_rows().
  explicit LinearDivergence(std::vector<LogitsTerm> terms, int64_t rows_per_chunk = 0);

  struct Student {
    at::Tensor rows_ND;         // in the type of the products: float32, float64, float16 or bfloat16
    LinearHead head;            // in the same type
    int64_t vocab = 0;          // ids from here on do not exist; at most the height of the head
    bool rows_gradient = true;  // whether anyone reads Result::rows_gradient_ND
    // The gradients below are added to; undefined = not wanted. Float32 or wider, [V,D] and [V].
    at::Tensor weight_gradient_VD;
    at::Tensor bias_gradient_V;
  };
  struct Result {
    at::Tensor values;            // float64 [terms]: sums over the rows / divisor, temperature squared in, weights out
    at::Tensor rows_gradient_ND;  // of scale * sum of weight * value, in the type of the rows; undefined when not wanted
  };
  // `targets_N` (int64) may be undefined when no term reads labels; `teacher` null when none reads the teacher.
  // `divisor`: the kept tokens of the whole update. `loss_scale`: float32 scalar on the device, undefined = 1; it multiplies
  // gradients before they are rounded to a narrow type.
  Result backward(const Student& student, const RowSource* teacher, const at::Tensor& targets_N, double divisor,
                  const at::Tensor& loss_scale);

  // The values alone (divisor 1), and the number of rows where both sides have the same most probable id.
  struct Figures {
    at::Tensor values;     // float64 [terms]
    at::Tensor agreement;  // int64 scalar; undefined without a teacher
  };
  Figures evaluate(const Student& student, const RowSource* teacher, const at::Tensor& targets_N);

 private:
  struct Chunk {
    int64_t begin = 0;
    at::Tensor student_CV, teacher_CV;  // the student's holds the gradient once the row kernel is through
  };
  template <class AfterRows>
  at::Tensor over_chunks(const Student& student, const RowSource* teacher, const at::Tensor& targets_N, const RowPlan& plan,
                         const at::Tensor& loss_scale, const AfterRows& after_rows);
  at::Tensor workspace(at::Tensor& held, int64_t rows, int64_t vocab, const at::Tensor& like);
  RowPlan scaled_plan(double divisor, double soft_cap, bool write_gradient) const;

  std::vector<LogitsTerm> terms_;
  RowPlan plan_;                // terms sorted by temperature
  std::vector<int64_t> place_;  // of term i among the sorted ones
  int64_t rows_per_chunk_;
  at::Tensor student_space_, teacher_space_;
};

}  // namespace distill
