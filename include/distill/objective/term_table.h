// Every term that can be trained, one row each: what it reads and how it is computed. To add a term: its function
// (kernels/divergences.h or objective/feature_losses.h) and a row in term_table.cpp.
#pragma once

#include <ATen/core/TensorBody.h>

#include "distill/kernels/divergences.h"
#include "distill/recipe/objective.h"

namespace distill {

enum class Signal { logits, hidden, attention, embedding };

struct TermFacts {
  TermFunction function;
  Signal signal;
  Divergence divergence = Divergence::kl;                                                          // logits terms
  at::Tensor (*hidden_sum)(const at::Tensor&, const at::Tensor&) = nullptr;                        // hidden and embedding terms
  at::Tensor (*attention_sum)(const at::Tensor&, const at::Tensor&, const at::Tensor&) = nullptr;  // attention terms

  bool reads_teacher() const { return signal != Signal::logits || divergence != Divergence::cross_entropy; }
};

// Null for a function that is not available yet.
const TermFacts* find_term(TermFunction function);
// The row kernel's function for this term: jsd and the skew terms at their ends are exactly kl and reverse_kl.
Divergence divergence_of(const TermFacts& facts, const TermRecipe& recipe);

}  // namespace distill
