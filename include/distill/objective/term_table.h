// Every term that can be trained, one row each: what it reads and how it is computed. To add a term: its function
// (kernels/divergences.h, objective/feature_losses.h or objective/attention_terms.h) and a row in term_table.cpp.
#pragma once

#include <ATen/core/TensorBody.h>

#include "distill/kernels/divergences.h"
#include "distill/recipe/objective.h"

namespace distill {

// hidden: rows of hidden states; gram: documents of them; autoencoder: rows of one hidden state; attention: whom positions attend
// to; relation_qk, relation_self: relations between heads; embedding: the vectors of whole rows.
enum class Signal { logits, hidden, gram, autoencoder, attention, relation_qk, relation_self, embedding };
enum class AttentionDistance { squared, kl };

struct TermFacts {
  TermFunction function;
  Signal signal;
  Divergence divergence = Divergence::kl;                                  // logits terms
  at::Tensor (*row_loss)(const at::Tensor&, const at::Tensor&) = nullptr;  // hidden and embedding terms
  AttentionDistance distance = AttentionDistance::squared;                 // attention terms

  bool reads_hidden_states() const { return signal == Signal::hidden || signal == Signal::gram || signal == Signal::autoencoder; }
  bool reads_teacher() const { return signal != Signal::logits || divergence != Divergence::cross_entropy; }
};

// Every function has a row.
const TermFacts& term_facts(TermFunction function);
// The row kernel's function for this term: jsd and the skew terms at their ends are exactly kl and reverse_kl.
Divergence divergence_of(const TermFacts& facts, const TermRecipe& recipe);

}  // namespace distill
