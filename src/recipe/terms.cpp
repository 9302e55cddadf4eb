// What the functions of the objective read: the teacher, and which options.
#include <algorithm>
#include <cmath>

#include "distill/recipe/recipe.h"

namespace distill {
namespace {

using F = TermFunction;

bool is_one_of(F function, std::initializer_list<F> list) { return std::find(list.begin(), list.end(), function) != list.end(); }

}  // namespace

bool is_hidden_term(TermFunction function) {
  return is_one_of(function, {F::hidden_mse, F::hidden_cosine, F::hidden_l1, F::pkd, F::gram, F::sae_features});
}

bool is_attention_term(TermFunction function) {
  return is_one_of(function, {F::attention_mse, F::attention_kl, F::minilm_attention, F::minilm_value});
}

bool is_embedding_term(TermFunction function) { return is_one_of(function, {F::embedding_mse, F::embedding_cosine}); }

bool is_logits_term(TermFunction function) {
  return !is_hidden_term(function) && !is_attention_term(function) && !is_embedding_term(function);
}

bool needs_teacher(const TermRecipe& term) {
  return term.function != TermFunction::cross_entropy && !term.weight.is_always(0);  // what weighs nothing is left out
}

namespace {

// Terms in which the student's rows are brought to the teacher's width.
bool has_projectors(F function) { return is_embedding_term(function) || (is_hidden_term(function) && function != F::gram); }
bool is_minilm_term(F function) { return is_one_of(function, {F::minilm_attention, F::minilm_value}); }

}  // namespace

bool TermRecipe::reads(std::string_view key) const {
  const bool compares_logits = is_logits_term(function) && function != F::cross_entropy;
  if (key == "temperature") return compares_logits;
  if (key == "t_squared") return compares_logits && !is_one_of(function, {F::tvd, F::uld});
  if (key == "beta") return function == F::jsd;
  if (key == "alpha") return is_one_of(function, {F::skew_kl, F::skew_reverse_kl});
  if (key == "ratio") return function == F::symmetric_kl;
  if (key == "top_k") return is_one_of(function, {F::top_k_kl, F::top_k_reverse_kl});
  if (key == "label_smoothing" || key == "z_loss") return function == F::cross_entropy;
  if (key == "layer_mapping") return (is_hidden_term(function) || is_attention_term(function)) && function != F::sae_features;
  if (key == "positions") return is_hidden_term(function) || is_attention_term(function);
  if (key == "relations") return function == F::minilm_value;
  if (key == "relation_heads") return is_minilm_term(function);
  if (key == "projector_learning_rate") return has_projectors(function);
  if (key == "sae") return function == F::sae_features;
  return true;
}

double ramp_value(const Ramp& ramp, int64_t update, int64_t total_updates) {
  if (!ramp.moves()) return ramp.from;
  const double length = ramp.over.unit == Unit::percent ? std::floor(ramp.over.amount / 100 * static_cast<double>(total_updates))
                                                        : ramp.over.amount;
  const double passed = length > 0 ? std::min(1.0, static_cast<double>(update - 1) / length) : 1;
  return ramp.from + (ramp.to - ramp.from) * passed;
}

}  // namespace distill
