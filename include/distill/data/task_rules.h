// What the task makes of a row: where its targets are, and how many of them it has.
#pragma once

#include <cstdint>

namespace distill {

enum class Targets {
  next_token,     // the label at t + 1 (causal models)
  masked_tokens,  // tokens hidden when the batch is made, predicted at their own place
  row_class,      // one class for the row
  row_vector      // none in the data: the row itself is the sample
};

struct TaskRules {
  Targets targets = Targets::next_token;
  double mask_probability = 0.15;  // masked_tokens: share of a document's candidates
  int64_t num_classes = 0;         // row_class: labels lie in [0, num_classes)
  bool labels_needed = true;       // row_class: rows without a label are dropped

  bool one_document_per_row() const { return targets == Targets::row_class || targets == Targets::row_vector; }
};

}  // namespace distill
