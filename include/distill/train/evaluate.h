// Held-out figures: token-weighted over all rows, no dropout, no gradients.
#pragma once

#include <optional>

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

// `teacher` may be null: cross-entropy and perplexity only. Throws Stopped on a stop signal.
EvalEvent evaluate(const Transformer& student, Teacher* teacher, const Rows& rows, const EvaluateOptions& options);

}  // namespace distill
