#include "distill/objective/term_table.h"

#include "distill/core/error.h"
#include "distill/objective/feature_losses.h"

namespace distill {
namespace {

const TermFacts kTerms[] = {
    {TermFunction::kl, Signal::logits, Divergence::kl},
    {TermFunction::reverse_kl, Signal::logits, Divergence::reverse_kl},
    {TermFunction::symmetric_kl, Signal::logits, Divergence::symmetric_kl},
    {TermFunction::jsd, Signal::logits, Divergence::jsd},
    {TermFunction::skew_kl, Signal::logits, Divergence::skew_kl},
    {TermFunction::skew_reverse_kl, Signal::logits, Divergence::skew_reverse_kl},
    {TermFunction::adaptive_kl, Signal::logits, Divergence::adaptive_kl},
    {TermFunction::tvd, Signal::logits, Divergence::tvd},
    {TermFunction::logit_mse, Signal::logits, Divergence::logit_mse},
    {TermFunction::top_k_kl, Signal::logits, Divergence::top_k_kl},
    {TermFunction::top_k_reverse_kl, Signal::logits, Divergence::top_k_reverse_kl},
    {TermFunction::uld, Signal::logits, Divergence::uld},
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

const TermFacts& term_facts(TermFunction function) {
  for (const TermFacts& facts : kTerms)
    if (facts.function == function) return facts;
  throw Bug("no row of the term table for " + std::string(enum_name(function)));
}

Divergence divergence_of(const TermFacts& facts, const TermRecipe& recipe) {
  switch (facts.divergence) {
    case Divergence::jsd:
      return recipe.beta == 0 ? Divergence::kl : recipe.beta == 1 ? Divergence::reverse_kl : Divergence::jsd;
    case Divergence::skew_kl:
      return recipe.alpha == 0 ? Divergence::kl : Divergence::skew_kl;
    case Divergence::skew_reverse_kl:
      return recipe.alpha == 0 ? Divergence::reverse_kl : Divergence::skew_reverse_kl;
    default:
      return facts.divergence;
  }
}

}  // namespace distill
