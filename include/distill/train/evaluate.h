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
};

// Answers with what logits need; runs under autocast and without gradients.
using LogitsForward = std::function<ForwardOutput(const TokenBatch&)>;
LogitsForward logits_of(const StudentModel& model);
LogitsForward logits_of(Teacher& teacher);

// Measures `model` on every row once. `teacher` may be null: cross-entropy and perplexity only. Throws Stopped on a signal.
EvalEvent evaluate(const LogitsForward& model, Teacher* teacher, const Rows& rows, const EvaluateOptions& options);

}  // namespace distill
