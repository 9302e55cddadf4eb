// Held-out figures: token-weighted over all rows, no dropout, no gradients.
#pragma once

#include <functional>

#include "distill/data/stream.h"
#include "distill/model/transformer.h"
#include "distill/teacher/teacher.h"
#include "distill/train/events.h"
#include "distill/train/precision.h"

namespace distill {

struct EvaluateOptions {
  int64_t batch_size = 4;
  PrecisionPlan precision;
  at::Device device = at::kCPU;
  int64_t vocabulary_limit = 0;
  Task task = Task::causal_lm;
};

// Answers with what the task is judged by: logits, or embeddings; runs under autocast and without gradients.
using TaskForward = std::function<ForwardOutput(const TokenBatch&)>;
TaskForward answers_of(const StudentModel& model);
TaskForward answers_of(Teacher& teacher);

// Measures `model` on every row once. `teacher` may be null: what the labels tell only, which for embeddings is nothing. Throws
// Stopped on a signal.
EvalEvent evaluate(const TaskForward& model, Teacher* teacher, const Rows& rows, const EvaluateOptions& options);

}  // namespace distill
