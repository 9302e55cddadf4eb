#include "distill/objective/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "distill/core/error.h"
#include "distill/kernels/linear_divergence.h"
#include "distill/objective/term_table.h"
#include "distill/tensor/autocast.h"

#include "feature_terms.h"
#include "logits_sides.h"

namespace distill {
namespace {

struct Term {
  TermRecipe recipe;
  const TermFacts* facts = nullptr;
};

// Where gradients enter the student's graph.
struct Roots {
  std::vector<at::Tensor> tensors, gradients;
  void add(const at::Tensor& tensor, const at::Tensor& gradient) {
    tensors.push_back(tensor);
    gradients.push_back(gradient);
  }
};

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

struct Objective::Parts {
  std::vector<Term> terms;
  std::vector<std::string> names;
  std::vector<double> weights;
  Needs student_needs, teacher_needs;
  ModelShape student;
  ModelShape teacher;
  ObjectiveOptions options;
  std::unique_ptr<LinearDivergence> logits;  // null without logits terms
  at::Tensor logits_places;                  // of the logits terms among all
  bool logits_read_teacher = false;
  HeadCasts casts;
  std::unique_ptr<FeatureTerms> features;

  void collect_logits_terms(bool has_teacher, std::vector<Complaint>& complaints);
  void collect_feature_terms(std::vector<Complaint>& complaints);
  at::Tensor logits_backward(const ForwardOutput& student_out, const ForwardOutput* teacher_out, const TokenBatch& batch,
                             double kept_of_update, const at::Tensor& loss_scale, Roots& roots);
};

void Objective::Parts::collect_feature_terms(std::vector<Complaint>& complaints) {
  features = std::make_unique<FeatureTerms>(student, teacher, options);
  for (size_t i = 0; i < terms.size(); ++i)
    if (terms[i].facts->signal != Signal::logits && terms[i].recipe.weight != 0)
      features->add(i, names[i], terms[i].recipe, *terms[i].facts, complaints);
  student_needs.add(features->student_needs());
  teacher_needs.add(features->teacher_needs());
}

void Objective::Parts::collect_logits_terms(bool has_teacher, std::vector<Complaint>& complaints) {
  std::vector<LogitsTerm> logits_terms;
  std::vector<int64_t> places;
  for (size_t i = 0; i < terms.size(); ++i) {
    const TermRecipe& recipe = terms[i].recipe;
    if (terms[i].facts->signal != Signal::logits) continue;
    if (!(recipe.temperature > 0))
      complaints.push_back(
          {place_of(i, "temperature"), "a number above 0", std::to_string(recipe.temperature), "Use 1, or 2.", ""});
    if (recipe.function == TermFunction::jsd && !(recipe.beta >= 0 && recipe.beta <= 1))
      complaints.push_back(
          {place_of(i, "beta"), "0 to 1", std::to_string(recipe.beta), "0 is kl, 1 is reverse_kl, 0.5 between.", ""});
    const bool hard = recipe.function == TermFunction::cross_entropy;  // always on logits as they are
    logits_terms.push_back({divergence_of(*terms[i].facts, recipe), recipe.weight, hard ? 1 : recipe.temperature,
                            hard ? false : recipe.t_squared, recipe.beta});
    places.push_back(static_cast<int64_t>(i));
    logits_read_teacher |= terms[i].facts->reads_teacher();
  }
  if (logits_terms.empty() || !complaints.empty()) return;
  if (logits_read_teacher && has_teacher && student.vocab_size != teacher.vocab_size && options.vocabulary_limit <= 0)
    complaints.push_back({"teacher.path", "a vocabulary as wide as the student's (" + std::to_string(student.vocab_size) + ")",
                          std::to_string(teacher.vocab_size), "Choose models with one tokenizer.", ""});
  student_needs.logits = true;
  teacher_needs.logits = logits_read_teacher;
  logits = std::make_unique<LinearDivergence>(std::move(logits_terms));
  logits_places = at::tensor(places, at::TensorOptions().dtype(at::kLong)).to(options.device);
}

Objective::Objective(std::vector<TermRecipe> recipes, const ModelShape& student, const std::optional<ModelShape>& teacher,
                     const ObjectiveOptions& options)
    : parts_(std::make_unique<Parts>()) {
  Parts& parts = *parts_;
  std::vector<Complaint> complaints;
  parts.student = student;
  parts.teacher = teacher.value_or(ModelShape{});
  parts.options = options;
  parts.names = term_names(recipes);
  for (size_t i = 0; i < recipes.size(); ++i) {
    const std::string function(enum_name(recipes[i].function));
    const TermFacts* facts = find_term(recipes[i].function);
    if (!facts)
      complaints.push_back(
          {place_of(i, "function"), "a term that is available", function + " (not available yet)", "Use kl or jsd.", ""});
    else if (facts->reads_teacher() && !teacher && recipes[i].weight != 0)
      complaints.push_back({place_of(i, "function"), "a teacher for " + function, "a recipe without `teacher`",
                            "Add `teacher: {path: ...}`, or train with cross_entropy alone.", ""});
    parts.weights.push_back(recipes[i].weight);
    parts.terms.push_back({std::move(recipes[i]), facts});
  }
  if (!complaints.empty()) throw RecipeError(std::move(complaints));
  parts.collect_feature_terms(complaints);
  parts.collect_logits_terms(teacher.has_value(), complaints);
  if (!complaints.empty()) throw RecipeError(std::move(complaints));
  parts.features->make_parameters();
}

Objective::Objective(Objective&&) noexcept = default;
Objective::~Objective() = default;
const Needs& Objective::student_needs() const { return parts_->student_needs; }
const Needs& Objective::teacher_needs() const { return parts_->teacher_needs; }
const std::vector<std::string>& Objective::names() const { return parts_->names; }
const std::vector<double>& Objective::weights() const { return parts_->weights; }
const std::vector<std::string>& Objective::figure_names() const { return parts_->features->figure_names(); }
const std::map<std::string, double>& Objective::peak_rates() const { return parts_->features->peak_rates(); }
const std::vector<NamedTensor>& Objective::parameters() const { return parts_->features->parameters(); }

// Values of the logits terms; gradients of the head go to their buffers, that of the final hidden states becomes a root.
at::Tensor Objective::Parts::logits_backward(const ForwardOutput& student_out, const ForwardOutput* teacher_out,
                                             const TokenBatch& batch, double kept_of_update, const at::Tensor& loss_scale,
                                             Roots& roots) {
  const at::NoGradGuard no_grad;
  const at::Tensor& final_BTD = student_out.final_hidden_BTD;
  LogitsSides sides = logits_sides(student_out, logits_read_teacher ? teacher_out : nullptr, batch, options.compute_dtype,
                                   options.vocabulary_limit, casts);
  sides.student.rows_gradient = final_BTD.requires_grad();
  sides.student.weight_gradient_VD = gradient_buffer(student_out.head.weight_VD, roots);
  sides.student.bias_gradient_V = gradient_buffer(student_out.head.bias_V, roots);
  const auto result = logits->backward(sides.student, sides.teacher_rows(), batch.kept_targets_N, kept_of_update, loss_scale);
  if (final_BTD.requires_grad()) {
    const at::Tensor gradient = at::zeros_like(final_BTD, final_BTD.options().requires_grad(false), at::MemoryFormat::Contiguous);
    gradient.view({-1, final_BTD.size(2)}).index_copy_(0, batch.kept_N, result.rows_gradient_ND.to(final_BTD.scalar_type()));
    roots.add(final_BTD, gradient);
  }
  return result.values;
}

at::Tensor Objective::backward(const ForwardOutput& student, const ForwardOutput* teacher, const TokenBatch& batch,
                               const UpdateCounts& counts, const at::Tensor& loss_scale) {
  Parts& parts = *parts_;
  if (!teacher && parts.teacher_needs.any()) throw Bug("an objective that reads a teacher, called without one");
  const at::Device device = batch.ids_BT.device();
  const AutocastGuard plain_types(device, std::nullopt);  // losses choose their types themselves
  const auto num_terms = static_cast<int64_t>(parts.terms.size()), num_figures = static_cast<int64_t>(figure_names().size());
  const at::Tensor answer = at::zeros({num_terms + num_figures}, at::TensorOptions().dtype(at::kDouble).device(device));
  const at::Tensor values = answer.narrow(0, 0, num_terms), figures = answer.narrow(0, num_terms, num_figures);
  Roots roots;
  if (parts.logits && batch.num_kept > 0)
    values.index_copy_(0, parts.logits_places, parts.logits_backward(student, teacher, batch, counts.kept, loss_scale, roots));
  const at::Tensor total =
      teacher ? parts.features->total({student, *teacher}, batch, counts, parts.weights, values, figures) : at::Tensor();
  if (total.defined() && total.requires_grad())
    roots.add(total, loss_scale.defined() ? loss_scale.to(total.scalar_type()).reshape(total.sizes()) : at::ones_like(total));
  if (!roots.tensors.empty()) torch::autograd::backward(roots.tensors, roots.gradients);
  return answer;
}

}  // namespace distill
