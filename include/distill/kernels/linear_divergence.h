// Head projection and logits terms in one go, forward and backward, over chunks of rows: two head products, one row kernel
// for all terms, the gradient in place of the student's logits, then hidden and head gradients. The workspace is a block of the
// student's logits and a chunk of the teacher's, whatever the number of rows, and stays for the next call.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <vector>

#include "distill/kernels/divergence_rows.h"
#include "distill/kernels/row_source.h"
#include "distill/tensor/token_batch.h"

namespace distill {

struct LogitsTerm {
  Divergence kind = Divergence::kl;
  double weight = 1;
  double temperature = 1;
  bool t_squared = true;  // temperature squared multiplies value and gradient
  double mix = 0;         // jsd: beta; skew: alpha, both strictly between 0 and 1; symmetric_kl: share of KL(T || S);
                          // cross_entropy: label smoothing; adaptive_kl: the teacher's mass that is the head
  int64_t top_k = 0;      // top_k terms
  double z_loss = 0;      // cross_entropy: factor of the squared log of the sum of exponentials
};

// Rows of a chunk when nobody says otherwise: 64 to 512, at most about 160 MB of logits per side.
int64_t chunk_rows(int64_t vocab, at::ScalarType dtype);
// Rows between two additions to the head's gradient. On a GPU, 16-bit logits of about 1,024 rows are kept, because the float32
// gradient is read and written at every addition; elsewhere a chunk.
int64_t block_rows(int64_t chunk, const at::Tensor& rows_ND);

class LinearDivergence {
 public:
  // At most kMaxTerms terms with kMaxTemperatures temperatures, and one uld, else RecipeError. `rows_per_chunk` 0 = chunk_rows(),
  // `rows_per_block` 0 = block_rows().
  explicit LinearDivergence(std::vector<LogitsTerm> terms, int64_t rows_per_chunk = 0, int64_t rows_per_block = 0);
  // The same terms with other weights, temperatures or options; the limits hold again.
  void set_terms(std::vector<LogitsTerm> terms);

  struct Student {
    at::Tensor rows_ND;         // in the type of the products: float32, float64, float16 or bfloat16
    LinearHead head;            // in the same type
    int64_t vocab = 0;          // ids from here on do not exist; at most the height of the head
    int64_t teacher_vocab = 0;  // the same of the teacher's rows, where uld alone reads them; 0 = vocab
    // Where uld alone reads the teacher: the rows that it compares, of which the teacher has one each, and what divides their
    // sum, the pairs of the whole update. Null: every row, and the divisor of the other terms.
    const RowPairs* pairs = nullptr;
    double pairs_divisor = 0;
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
  // A block of rows: the student's logits, which become the gradient chunk by chunk.
  struct Block {
    int64_t begin = 0;
    at::Tensor student_CV;
  };
  // A chunk of it, with the teacher's logits, which are those of the rows paired_P of the chunk when that is defined.
  struct Chunk {
    int64_t begin = 0;
    at::Tensor student_CV, teacher_CV, paired_P;
  };
  void read_teacher(const Student& student, const RowSource& teacher, Chunk& chunk);
  template <class AfterChunk, class AfterBlock>
  at::Tensor over_blocks(const Student& student, const RowSource* teacher, const at::Tensor& targets_N, const RowPlan& plan,
                         const at::Tensor& loss_scale, const AfterChunk& after_chunk, const AfterBlock& after_block);
  void run_chunk(const Student& student, const Chunk& chunk, const at::Tensor& targets_N, const RowPlan& plan,
                 const at::Tensor& loss_scale, const at::Tensor& values_NK);
  RowPlan scaled_plan(double divisor, const Student& student, bool write_gradient) const;

  std::vector<LogitsTerm> terms_;
  RowPlan plan_;                // terms sorted by temperature
  std::vector<int64_t> place_;  // of term i among the sorted ones
  const LogitsTerm* uld_ = nullptr;
  int64_t rows_per_chunk_, rows_per_block_;
  at::Tensor student_space_, teacher_space_, mark_space_;
};

}  // namespace distill
