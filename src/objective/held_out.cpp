// Held-out figures through the same row kernel as training, without gradients.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include "distill/objective/objective.h"
#include "distill/tensor/autocast.h"

#include "logits_sides.h"

namespace distill {
namespace {

at::Tensor log_probabilities(const ForwardOutput& output, const at::Tensor& rows_N) {
  const at::Tensor rows_ND = rows_at(output.final_hidden_BTD, rows_N).to(at::kDouble);
  at::Tensor logits_NC = rows_ND.matmul(output.head.weight_VD.to(at::kDouble).t());
  if (output.head.bias_V.defined()) logits_NC = logits_NC + output.head.bias_V;
  return at::log_softmax(logits_NC, 1);
}

}  // namespace

HeldOutSums held_out_sums(const ForwardOutput& student, const ForwardOutput* teacher, const TokenBatch& batch,
                          at::ScalarType compute_dtype, int64_t vocabulary_limit) {
  HeldOutSums sums;
  sums.kept = batch.num_kept;
  if (batch.num_kept == 0) return sums;
  const at::NoGradGuard no_grad;
  const AutocastGuard plain_types(student.final_hidden_BTD.device(), std::nullopt);
  std::vector<LogitsTerm> terms{{Divergence::cross_entropy}};
  if (teacher) terms.push_back({Divergence::kl});
  HeadCasts casts;
  const LogitsSides sides = logits_sides(student, teacher, batch, compute_dtype, vocabulary_limit, casts);
  const auto figures = LinearDivergence(std::move(terms)).evaluate(sides.student, sides.teacher_rows(), batch.kept_targets_N);
  const at::Tensor values = figures.values.cpu();
  sums.cross_entropy = values[0].item<double>();
  if (!teacher) return sums;
  sums.kl = values[1].item<double>();
  sums.agreement = static_cast<double>(figures.agreement.item<int64_t>());
  return sums;
}

// A classifier has few rows and few classes: the plain path.
ClassSums class_sums(const ForwardOutput& student, const ForwardOutput* teacher, const TokenBatch& batch) {
  ClassSums sums;
  sums.rows = batch.num_kept;
  if (batch.num_kept == 0) return sums;
  const at::NoGradGuard no_grad;
  const AutocastGuard plain_types(student.final_hidden_BTD.device(), std::nullopt);
  const at::Tensor student_NC = log_probabilities(student, batch.kept_N);
  const at::Tensor labelled_N = batch.kept_targets_N.ge(0);
  const at::Tensor classes_N = batch.kept_targets_N.clamp_min(0);
  const at::Tensor costs_N = -student_NC.gather(1, classes_N.unsqueeze(1)).squeeze(1);
  sums.labelled = labelled_N.sum().item<int64_t>();
  sums.cross_entropy = at::where(labelled_N, costs_N, at::zeros_like(costs_N)).sum().item<double>();
  const at::Tensor choices_N = at::argmax(student_NC, 1);
  sums.correct = choices_N.eq(classes_N).logical_and(labelled_N).sum().item<double>();
  if (!teacher) return sums;
  const at::Tensor teacher_NC = log_probabilities(*teacher, batch.kept_N);
  sums.kl = (teacher_NC.exp() * (teacher_NC - student_NC)).sum().item<double>();
  sums.agreement = choices_N.eq(at::argmax(teacher_NC, 1)).sum().item<double>();
  return sums;
}

double embedding_cosine_sum(const ForwardOutput& student, const ForwardOutput& teacher) {
  const at::NoGradGuard no_grad;
  const at::Tensor student_BD = student.embedding_BD.to(at::kDouble), teacher_BD = teacher.embedding_BD.to(at::kDouble);
  return at::cosine_similarity(student_BD, teacher_BD, 1, 1e-12).sum().item<double>();
}

}  // namespace distill
