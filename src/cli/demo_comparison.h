// The outcome of the demo: held-out figures of three models, and the difference that the teacher made, with its error.
#pragma once

#include <string>
#include <vector>

#include "distill/core/json_reader.h"
#include "distill/train/events.h"

namespace distill::demo {

// Mean and standard error of the mean over the seeds.
struct Estimate {
  double mean = 0, error = 0;
};
Estimate estimate(const std::vector<double>& values);

struct Comparison {
  EvalEvent teacher;
  std::vector<EvalEvent> alone, distilled;  // one per seed, pairs share fresh weights and data order

  Estimate gain() const;  // cross-entropy alone minus distilled, pair by pair
  std::string table() const;
  Json json() const;
};

}  // namespace distill::demo
