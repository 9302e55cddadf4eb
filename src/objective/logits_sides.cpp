#include "logits_sides.h"

#include <algorithm>
#include <string>

#include "distill/core/error.h"
#include "distill/tensor/kept_cast.h"

namespace distill {
namespace {

LinearHead kernel_head(const Head& head, at::ScalarType dtype, HeadCast& cast) {
  const bool is_kept = head.kept && head.kept->keeps(dtype);
  return cast.get({is_kept ? head.kept->of(head.weight_VD) : head.weight_VD, head.bias_V, head.soft_cap, head.is_identity()},
                  dtype);
}

int64_t common_vocab(const Head& student, const Head* teacher, int64_t limit) {
  const int64_t vocab = limit > 0 ? std::min(limit, student.vocab_size()) : student.vocab_size();
  if (teacher && teacher->vocab_size() < vocab)
    throw Bug("a teacher vocabulary of " + std::to_string(teacher->vocab_size()) + " below the student's " +
              std::to_string(vocab));
  return vocab;
}

}  // namespace

at::Tensor rows_at(const at::Tensor& hidden_BTD, const at::Tensor& positions_N) {
  return hidden_BTD.reshape({-1, hidden_BTD.size(2)}).index_select(0, positions_N);
}

LogitsSides logits_sides(const ForwardOutput& student, const ForwardOutput* teacher, const TokenBatch& batch,
                         at::ScalarType dtype, int64_t vocabulary_limit, HeadCasts& casts) {
  LogitsSides sides;
  sides.student.rows_ND = rows_at(student.final_hidden_BTD, batch.kept_N).to(dtype);
  sides.student.head = kernel_head(student.head, dtype, casts.student);
  const bool one_vocabulary = teacher && !batch.teacher;
  sides.student.vocab = common_vocab(student.head, one_vocabulary ? &teacher->head : nullptr, vocabulary_limit);
  sides.student.rows_gradient = false;
  if (!teacher) return sides;
  sides.teacher.emplace(rows_at(teacher->final_hidden_BTD, batch.read_by_teacher().kept_N).to(dtype),
                        kernel_head(teacher->head, dtype, casts.teacher));
  if (one_vocabulary) return sides;
  sides.student.teacher_vocab = teacher->head.vocab_size();
  sides.student.pairs = &batch.pairs;
  return sides;
}

}  // namespace distill
