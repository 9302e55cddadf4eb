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
    {TermFunction::hidden_l1, Signal::hidden, {}, hidden_l1_sum},
    {TermFunction::pkd, Signal::hidden, {}, pkd_sum},
    {TermFunction::gram, Signal::gram},
    {TermFunction::sae_features, Signal::autoencoder},
    {TermFunction::embedding_mse, Signal::embedding, {}, hidden_mse_sum},
    {TermFunction::embedding_cosine, Signal::embedding, {}, hidden_cosine_sum},
    {TermFunction::attention_mse, Signal::attention, {}, nullptr, AttentionDistance::squared},
    {TermFunction::attention_kl, Signal::attention, {}, nullptr, AttentionDistance::kl},
    {TermFunction::minilm_attention, Signal::relation_qk, {}, nullptr, AttentionDistance::kl},
    {TermFunction::minilm_value, Signal::relation_self, {}, nullptr, AttentionDistance::kl},
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
