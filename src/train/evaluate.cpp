#include "distill/train/evaluate.h"

#include <ATen/core/grad_mode.h>

#include <chrono>
#include <cmath>

#include "distill/core/stop.h"
#include "distill/objective/objective.h"
#include "distill/tensor/autocast.h"
#include "distill/tensor/memory_error.h"

namespace distill {
namespace {

Needs needs_of(Task task) {
  Needs needs;
  needs.logits = task != Task::embedding;
  needs.embedding = task == Task::embedding;
  return needs;
}

// What is added up over the batches, for any task.
struct Sums {
  double cross_entropy = 0, correct = 0, kl = 0, agreement = 0, cosine = 0;
  int64_t labelled = 0, kept = 0;

  void add(const HeldOutSums& part) {
    cross_entropy += part.cross_entropy;
    kl += part.kl;
    agreement += part.agreement;
    labelled += part.kept;
    kept += part.kept;
  }
  void add(const ClassSums& part) {
    cross_entropy += part.cross_entropy;
    correct += part.correct;
    kl += part.kl;
    agreement += part.agreement;
    labelled += part.labelled;
    kept += part.rows;
  }
};

EvalEvent figures_of(const Sums& sums, Task task, bool against_teacher) {
  const double kept = static_cast<double>(sums.kept), labelled = static_cast<double>(sums.labelled);
  EvalEvent event;
  event.tokens = sums.kept;
  if (task == Task::embedding) {
    if (against_teacher) event.cosine = sums.cosine / kept;
    return event;
  }
  if (sums.labelled > 0) event.cross_entropy = sums.cross_entropy / labelled;
  if (task == Task::sequence_classification) {
    if (sums.labelled > 0) event.accuracy = sums.correct / labelled;
  } else {
    event.perplexity = std::exp(*event.cross_entropy);
  }
  if (against_teacher) event.kl = sums.kl / kept;
  if (against_teacher) event.top1_agreement = sums.agreement / kept;
  return event;
}

void add_batch(Sums& sums, const ForwardOutput& student, const ForwardOutput* teacher, const TokenBatch& batch,
               const EvaluateOptions& options) {
  switch (options.task) {
    case Task::sequence_classification:
      return sums.add(class_sums(student, teacher, batch));
    case Task::embedding:
      if (teacher) sums.cosine += embedding_cosine_sum(student, *teacher);
      sums.kept += batch.num_kept;
      return;
    default:
      return sums.add(held_out_sums(student, teacher, batch, options.precision.compute(), options.vocabulary_limit));
  }
}

void add_rows(Sums& sums, const TaskForward& model, Teacher* teacher, const TokenBatch& batch, const EvaluateOptions& options) {
  ForwardOutput from_student;
  {
    const AutocastGuard autocast(options.device, options.precision.autocast);
    from_student = model(batch);
  }
  std::optional<ForwardOutput> from_teacher;
  if (teacher) from_teacher = teacher->forward(batch, needs_of(options.task));
  add_batch(sums, from_student, from_teacher ? &*from_teacher : nullptr, batch, options);
}

}  // namespace

TaskForward answers_of(const StudentModel& model) {
  return [&model](const TokenBatch& batch) { return model.forward(batch, needs_of(model.spec().task), {}); };
}

TaskForward answers_of(Teacher& teacher) {
  return [&teacher](const TokenBatch& batch) { return teacher.forward(batch, needs_of(teacher.spec().task)); };
}

EvalEvent evaluate(const TaskForward& model, Teacher* teacher, const Rows& rows, const EvaluateOptions& options) {
  const at::NoGradGuard no_grad;
  const auto start = std::chrono::steady_clock::now();
  Sums sums;
  for (int64_t index = 0; index < num_evaluation_batches(rows, options.batch_size); ++index) {
    check_stop();
    naming_memory("an evaluation of " + std::to_string(options.batch_size) + " rows at once",
                  "Lower train.batch_size, or data.sequence_length.", [&] {
                    const TokenBatch batch = evaluation_batch(rows, options.batch_size, index).to(options.device);
                    add_rows(sums, model, teacher, batch, options);
                  });
  }
  EvalEvent event = figures_of(sums, options.task, teacher != nullptr);
  event.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return event;
}

}  // namespace distill
