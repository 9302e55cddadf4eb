#include "logits_terms.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <utility>

#include "distill/core/units.h"

#include "feature_terms.h"

namespace distill {
namespace {

constexpr double kHeadMass = 0.5;  // of the teacher, adaptive_kl

double mix_of(const TermRecipe& recipe, Divergence kind) {
  switch (kind) {
    case Divergence::jsd:
      return recipe.beta;
    case Divergence::skew_kl:
    case Divergence::skew_reverse_kl:
      return recipe.alpha;
    case Divergence::symmetric_kl:
      return recipe.ratio;
    case Divergence::cross_entropy:
      return recipe.label_smoothing;
    case Divergence::adaptive_kl:
      return kHeadMass;
    default:
      return 0;
  }
}

LogitsTerm kernel_term(const TermRecipe& recipe, const TermFacts& facts, double weight, double temperature) {
  LogitsTerm term;
  term.kind = divergence_of(facts, recipe);
  term.weight = weight;
  term.temperature = recipe.reads("temperature") ? temperature : 1;  // cross_entropy: always the logits as they are
  term.t_squared = recipe.reads("t_squared") && recipe.t_squared;
  term.mix = mix_of(recipe, term.kind);
  term.top_k = recipe.top_k;
  term.z_loss = recipe.z_loss;
  return term;
}

void refuse_outside(size_t index, const char* key, double value, double least, double most, const std::string& advice,
                    std::vector<Complaint>& complaints) {
  if (value >= least && value <= most) return;
  complaints.push_back({place_of(index, key), number_text(least) + " to " + number_text(most), number_text(value), advice, ""});
}

// The buffer that a parameter's gradient is added to: its .grad when it is a leaf, else a new one that becomes a root.
at::Tensor gradient_buffer(const at::Tensor& parameter, Roots& roots) {
  if (!parameter.defined() || !parameter.requires_grad()) return {};
  if (parameter.is_leaf()) {
    at::Tensor& gradient = parameter.mutable_grad();
    if (!gradient.defined()) gradient = at::zeros_like(parameter, parameter.options().requires_grad(false));
    return gradient;
  }
  const at::Tensor gradient = at::zeros_like(parameter, parameter.options().requires_grad(false));
  roots.add(parameter, gradient);
  return gradient;
}

}  // namespace

void LogitsTerms::check_vocabularies(const Term& term, std::vector<Complaint>& complaints) const {
  const bool differ = teacher_ && student_.vocab_size != teacher_->vocab_size && options_.vocabulary_limit <= 0;
  if (!differ || !term.facts->reads_teacher() || term.recipe.function == TermFunction::uld) return;
  complaints.push_back({"teacher.path", "a vocabulary as wide as the student's (" + std::to_string(student_.vocab_size) + ")",
                        std::to_string(teacher_->vocab_size), "Choose models with one tokenizer.", ""});
}

void LogitsTerms::add(size_t index, const TermRecipe& recipe, const TermFacts& facts, std::vector<Complaint>& complaints) {
  for (const double temperature : {recipe.temperature.from, recipe.temperature.to})
    if (!(temperature > 0))
      complaints.push_back({place_of(index, "temperature"), "a number above 0", number_text(temperature), "Use 1, or 2.", ""});
  if (recipe.reads("beta"))
    refuse_outside(index, "beta", recipe.beta, 0, 1, "0 is kl, 1 is reverse_kl, 0.5 between.", complaints);
  if (recipe.reads("ratio")) refuse_outside(index, "ratio", recipe.ratio, 0, 1, "1 is kl, 0 is reverse_kl.", complaints);
  const auto is_uld = [](const Term& term) { return term.recipe.function == TermFunction::uld; };
  terms_.push_back({index, recipe, &facts});
  if (std::count_if(terms_.begin(), terms_.end(), is_uld) > 1 && is_uld(terms_.back()))
    complaints.push_back({place_of(index, "function"), "one uld term", "a second one", "Remove one of them.", ""});
  if (complaints.empty()) check_vocabularies(terms_.back(), complaints);
}

void LogitsTerms::set(const std::vector<double>& weights, const std::vector<double>& temperatures) {
  if (terms_.empty() || (divergence_ && weights == weights_ && temperatures == temperatures_)) return;
  weights_ = weights;
  temperatures_ = temperatures;
  places_.clear();
  reads_teacher_ = false;
  uld_alone_ = true;
  std::vector<LogitsTerm> active;
  for (const Term& term : terms_) {
    if (weights[term.index] == 0) continue;
    places_.push_back(term.index);
    reads_teacher_ |= term.facts->reads_teacher();
    uld_alone_ &= term.recipe.function == TermFunction::uld;
    active.push_back(kernel_term(term.recipe, *term.facts, weights[term.index], temperatures[term.index]));
  }
  if (divergence_)
    divergence_->set_terms(std::move(active));
  else
    divergence_ = std::make_unique<LinearDivergence>(std::move(active));
}

bool LogitsTerms::may_read_teacher() const {
  return std::any_of(terms_.begin(), terms_.end(), [](const Term& term) { return term.facts->reads_teacher(); });
}

void LogitsTerms::backward(const ForwardOutput& student, const ForwardOutput* teacher, const TokenBatch& batch,
                           const UpdateCounts& counts, const at::Tensor& loss_scale, const at::Tensor& values, Roots& roots) {
  if (places_.empty() || batch.num_kept == 0) return;
  const at::NoGradGuard no_grad;
  const at::Tensor& final_BTD = student.final_hidden_BTD;
  LogitsSides sides =
      logits_sides(student, reads_teacher_ ? teacher : nullptr, batch, options_.compute_dtype, options_.vocabulary_limit, casts_);
  sides.student.rows_gradient = final_BTD.requires_grad();
  sides.student.weight_gradient_VD = gradient_buffer(student.head.weight_VD, roots);
  sides.student.bias_gradient_V = gradient_buffer(student.head.bias_V, roots);
  sides.student.pairs_divisor = std::max(1.0, counts.pairs);  // without a pair there is nothing to divide
  at::Tensor positions_N = batch.kept_N, targets_N = batch.kept_targets_N;
  double divisor = counts.kept;
  if (sides.student.pairs && uld_alone_) {
    // Then nobody reads the logits of rows without a counterpart.
    const at::Tensor rows_P = std::exchange(sides.student.pairs, nullptr)->rows_P;
    sides.student.rows_ND = sides.student.rows_ND.index_select(0, rows_P);
    positions_N = positions_N.index_select(0, rows_P);
    targets_N = at::Tensor();
    divisor = sides.student.pairs_divisor;
  }
  const auto result = divergence_->backward(sides.student, sides.teacher_rows(), targets_N, divisor, loss_scale);
  for (size_t i = 0; i < places_.size(); ++i)
    values[static_cast<int64_t>(places_[i])].copy_(result.values[static_cast<int64_t>(i)]);
  if (!final_BTD.requires_grad()) return;
  const at::Tensor gradient = at::zeros_like(final_BTD, final_BTD.options().requires_grad(false), at::MemoryFormat::Contiguous);
  gradient.view({-1, final_BTD.size(2)}).index_copy_(0, positions_N, result.rows_gradient_ND.to(final_BTD.scalar_type()));
  roots.add(final_BTD, gradient);
}

}  // namespace distill
