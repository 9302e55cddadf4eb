#include "distill/objective/term_table.h"

#include "distill/objective/feature_losses.h"

namespace distill {
namespace {

const TermFacts kTerms[] = {
    {TermFunction::kl, Signal::logits, Divergence::kl},
    {TermFunction::reverse_kl, Signal::logits, Divergence::reverse_kl},
    {TermFunction::jsd, Signal::logits, Divergence::jsd},
    {TermFunction::cross_entropy, Signal::logits, Divergence::cross_entropy},
    {TermFunction::hidden_mse, Signal::hidden, {}, hidden_mse_sum},
    {TermFunction::hidden_cosine, Signal::hidden, {}, hidden_cosine_sum},
    {TermFunction::embedding_mse, Signal::embedding, {}, hidden_mse_sum},
    {TermFunction::embedding_cosine, Signal::embedding, {}, hidden_cosine_sum},
    {TermFunction::attention_mse, Signal::attention, {}, nullptr, attention_mse_sum},
};

}  // namespace

const TermFacts* find_term(TermFunction function) {
  for (const TermFacts& facts : kTerms)
    if (facts.function == function) return &facts;
  return nullptr;
}

Divergence divergence_of(const TermFacts& facts, const TermRecipe& recipe) {
  if (facts.divergence != Divergence::jsd) return facts.divergence;
  if (recipe.beta == 0) return Divergence::kl;
  return recipe.beta == 1 ? Divergence::reverse_kl : Divergence::jsd;
}

}  // namespace distill
