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

// Where the head of each teacher row ends: the k-th largest logit, or the smallest among the most probable whose mass stays
// within the limit (at least the largest).
inline at::Tensor twin_head(const LogitsTerm& term, const at::Tensor& teacher_NV) {
  const auto [sorted_NV, order] = teacher_NV.sort(1, /*descending=*/true);
  if (term.kind != Divergence::adaptive_kl)
    return teacher_NV.ge(sorted_NV.narrow(1, std::min(term.top_k, teacher_NV.size(1)) - 1, 1));
  const at::Tensor mass_NV = at::softmax(sorted_NV / term.temperature, 1).cumsum(1);
  at::Tensor inside_NV = mass_NV.le(term.mix);
  inside_NV.narrow(1, 0, 1).fill_(true);
  return teacher_NV.ge(sorted_NV.masked_fill(inside_NV.logical_not(), INFINITY).amin(1, true));
}

inline at::Tensor twin_adaptive(const LogitsTerm& term, const at::Tensor& log_student, const at::Tensor& log_teacher,
                                const at::Tensor& in_head) {
  const at::Tensor gap = (log_student.exp() - log_teacher.exp()).abs().detach();
  const at::Tensor head = (gap * in_head).sum(1), all = gap.sum(1);
  const at::Tensor share = at::where(all.gt(0), head / all, at::full_like(all, 0.5));
  const at::Tensor forward = (log_teacher.exp() * (log_teacher - log_student)).sum(1);
  const at::Tensor reverse = (log_student.exp() * (log_student - log_teacher)).sum(1);
  return (share * forward + (1 - share) * reverse).sum();
}

inline at::Tensor twin_buckets(const at::Tensor& log_p, const at::Tensor& log_q, const at::Tensor& in_head) {
  const at::Tensor head = at::where(in_head, log_p.exp() * (log_p - log_q), at::zeros_like(log_p)).sum();
  const at::Tensor has_tail = in_head.logical_not().any(1);
  const auto tail = [&](const at::Tensor& log_x) {
    return at::where(in_head, at::full_like(log_x, -1e300), log_x).logsumexp(1).index({has_tail});
  };
  const at::Tensor tail_p = tail(log_p), tail_q = tail(log_q);
  return head + (tail_p.exp() * (tail_p - tail_q)).sum();
}

inline at::Tensor twin_uld(const at::Tensor& student_NV, const at::Tensor& teacher_NV) {
  return (std::get<0>(student_NV.sort(1, true)) - std::get<0>(teacher_NV.sort(1, true))).abs().sum();
}

// Sum over rows of one term, temperature squared in, before the divisor.
inline at::Tensor twin_term(const LogitsTerm& term, const at::Tensor& student_NV, const at::Tensor& teacher_NV,
                            const at::Tensor& targets_N) {
  const at::Tensor log_student = at::log_softmax(student_NV / term.temperature, 1);
  if (term.kind == Divergence::cross_entropy)
    return at::cross_entropy_loss(student_NV, targets_N, {}, at::Reduction::Sum, -100, term.mix) +
           term.z_loss * student_NV.logsumexp(1).square().sum();
  const at::Tensor log_teacher = at::log_softmax(teacher_NV / term.temperature, 1);
  const double factor = term.t_squared ? term.temperature * term.temperature : 1;
  const at::Tensor student = log_student.exp(), teacher = log_teacher.exp();
  const auto mixture = [&](double share) { return at::log(share * teacher + (1 - share) * student); };
  switch (term.kind) {
    case Divergence::kl:
      return factor * twin_divergence(log_teacher, log_student);
    case Divergence::reverse_kl:
      return factor * twin_divergence(log_student, log_teacher);
    case Divergence::symmetric_kl:
      return factor *
             (term.mix * twin_divergence(log_teacher, log_student) + (1 - term.mix) * twin_divergence(log_student, log_teacher));
    case Divergence::jsd:
      return factor * (term.mix * twin_divergence(log_teacher, mixture(term.mix)) +
                       (1 - term.mix) * twin_divergence(log_student, mixture(term.mix)));
    case Divergence::skew_kl:
      return factor * twin_divergence(log_teacher, mixture(term.mix));
    case Divergence::skew_reverse_kl:
      return factor * twin_divergence(log_student, mixture(1 - term.mix));
    case Divergence::adaptive_kl:
      return factor * twin_adaptive(term, log_student, log_teacher, twin_head(term, teacher_NV));
    case Divergence::tvd:
      return 0.5 * factor * (student - teacher).abs().sum();
    case Divergence::logit_mse:
      return factor * ((student_NV - teacher_NV) / term.temperature).square().mean(1).sum();
    case Divergence::top_k_kl:
      return factor * twin_buckets(log_teacher, log_student, twin_head(term, teacher_NV));
    case Divergence::top_k_reverse_kl:
      return factor * twin_buckets(log_student, log_teacher, twin_head(term, teacher_NV));
    default:
      return factor * twin_uld(student, teacher);
  }
}

}  // namespace distill::test
