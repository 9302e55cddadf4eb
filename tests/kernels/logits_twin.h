// The slow plain twin of the logits terms: whole logits, ATen's own functions, autograd.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "distill/kernels/linear_divergence.h"

namespace distill::test {

inline at::Tensor twin_logits(const at::Tensor& rows_ND, const LinearHead& head, int64_t vocab) {
  at::Tensor logits = rows_ND.matmul(head.weight_VD.narrow(0, 0, vocab).t());
  if (head.bias_V.defined()) logits = logits + head.bias_V.narrow(0, 0, vocab);
  return head.soft_cap > 0 ? head.soft_cap * at::tanh(logits / head.soft_cap) : logits;
}

inline at::Tensor twin_divergence(const at::Tensor& log_p, const at::Tensor& log_q) {
  return (log_p.exp() * (log_p - log_q)).sum();
}

// Sum over rows of one term, temperature squared in, before the divisor.
inline at::Tensor twin_term(const LogitsTerm& term, const at::Tensor& student_NV, const at::Tensor& teacher_NV,
                            const at::Tensor& targets_N) {
  const at::Tensor log_student = at::log_softmax(student_NV / term.temperature, 1);
  if (term.kind == Divergence::cross_entropy) return at::nll_loss(log_student, targets_N, {}, at::Reduction::Sum);
  const at::Tensor log_teacher = at::log_softmax(teacher_NV / term.temperature, 1);
  const double factor = term.t_squared ? term.temperature * term.temperature : 1;
  if (term.kind == Divergence::kl) return factor * twin_divergence(log_teacher, log_student);
  if (term.kind == Divergence::reverse_kl) return factor * twin_divergence(log_student, log_teacher);
  const at::Tensor log_mixture = at::log(term.beta * log_teacher.exp() + (1 - term.beta) * log_student.exp());
  return factor *
         (term.beta * twin_divergence(log_teacher, log_mixture) + (1 - term.beta) * twin_divergence(log_student, log_mixture));
}

}  // namespace distill::test
