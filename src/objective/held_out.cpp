// Held-out figures through the same row kernel as training, without gradients.
#include <ATen/core/grad_mode.h>

#include "distill/objective/objective.h"
#include "distill/tensor/autocast.h"

#include "logits_sides.h"

namespace distill {

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

}  // namespace distill
