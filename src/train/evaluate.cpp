#include "distill/train/evaluate.h"

#include <ATen/core/grad_mode.h>

#include <chrono>
#include <cmath>

#include "distill/core/stop.h"
#include "distill/objective/objective.h"
#include "distill/tensor/autocast.h"

namespace distill {
namespace {

Needs only_logits() {
  Needs needs;
  needs.logits = true;
  return needs;
}

}  // namespace

LogitsForward logits_of(const StudentModel& model) {
  return [&model](const TokenBatch& batch) { return model.forward(batch, only_logits(), {}); };
}

LogitsForward logits_of(Teacher& teacher) {
  return [&teacher](const TokenBatch& batch) { return teacher.forward(batch, only_logits()); };
}

EvalEvent evaluate(const LogitsForward& model, Teacher* teacher, const Rows& rows, const EvaluateOptions& options) {
  const at::NoGradGuard no_grad;
  const auto start = std::chrono::steady_clock::now();
  HeldOutSums sums;
  for (int64_t index = 0; index < num_evaluation_batches(rows, options.batch_size); ++index) {
    check_stop();
    const TokenBatch batch = evaluation_batch(rows, options.batch_size, index).to(options.device);
    ForwardOutput from_student;
    {
      const AutocastGuard autocast(options.device, options.precision.autocast);
      from_student = model(batch);
    }
    std::optional<ForwardOutput> from_teacher;
    if (teacher) from_teacher = teacher->forward(batch, only_logits());
    const HeldOutSums part = held_out_sums(from_student, from_teacher ? &*from_teacher : nullptr, batch,
                                           options.precision.compute(), options.vocabulary_limit);
    sums.cross_entropy += part.cross_entropy;
    sums.kl += part.kl;
    sums.agreement += part.agreement;
    sums.kept += part.kept;
  }
  const double kept = static_cast<double>(sums.kept);
  EvalEvent event;
  event.cross_entropy = sums.cross_entropy / kept;
  event.perplexity = std::exp(event.cross_entropy);
  if (teacher) event.kl = sums.kl / kept;
  if (teacher) event.top1_agreement = sums.agreement / kept;
  event.tokens = sums.kept;
  event.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return event;
}

}  // namespace distill
