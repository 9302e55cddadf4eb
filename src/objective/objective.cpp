#include "distill/objective/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "distill/core/error.h"
#include "distill/objective/term_table.h"
#include "distill/tensor/autocast.h"

#include "feature_terms.h"
#include "logits_terms.h"

namespace distill {
namespace {

struct Term {
  TermRecipe recipe;
  const TermFacts* facts = nullptr;
};

}  // namespace

struct Objective::Parts {
  std::vector<Term> terms;
  std::vector<std::string> names;
  std::vector<double> weights;
  ModelShape student;
  ModelShape teacher;
  ObjectiveOptions options;
  std::vector<double> selected;        // the weights, and 0 for terms that are left out for now
  Needs student_needs, teacher_needs;  // of these
  std::vector<double> temperatures;
  std::unique_ptr<LogitsTerms> logits;
  std::unique_ptr<FeatureTerms> features;

  void collect_logits_terms(const std::optional<ModelShape>& teacher_shape, std::vector<Complaint>& complaints);
  void collect_feature_terms(std::vector<Complaint>& complaints);
};

void Objective::Parts::collect_feature_terms(std::vector<Complaint>& complaints) {
  features = std::make_unique<FeatureTerms>(student, teacher, options);
  for (size_t i = 0; i < terms.size(); ++i)
    if (terms[i].facts->signal != Signal::logits && !terms[i].recipe.weight.is_always(0))
      features->add(i, names[i], terms[i].recipe, *terms[i].facts, complaints);
}

void Objective::Parts::collect_logits_terms(const std::optional<ModelShape>& teacher_shape, std::vector<Complaint>& complaints) {
  logits = std::make_unique<LogitsTerms>(student, teacher_shape, options);
  for (size_t i = 0; i < terms.size(); ++i)
    if (terms[i].facts->signal == Signal::logits && !terms[i].recipe.weight.is_always(0))
      logits->add(i, terms[i].recipe, *terms[i].facts, complaints);
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
    const TermFacts* facts = &term_facts(recipes[i].function);
    if (facts->reads_teacher() && !teacher && !recipes[i].weight.is_always(0))
      complaints.push_back({place_of(i, "function"), "a teacher for " + function, "a recipe without `teacher`",
                            "Add `teacher: {path: ...}`, or train with cross_entropy alone.", ""});
    parts.terms.push_back({std::move(recipes[i]), facts});
  }
  if (!complaints.empty()) throw RecipeError(std::move(complaints));
  parts.collect_feature_terms(complaints);
  parts.collect_logits_terms(teacher, complaints);
  if (!complaints.empty()) throw RecipeError(std::move(complaints));
  parts.features->make_parameters();
  parts.weights.resize(parts.terms.size());
  parts.temperatures.resize(parts.terms.size());
  start_update(1, 1);
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

void Objective::start_update(int64_t update, int64_t total_updates) {
  for (size_t i = 0; i < parts_->terms.size(); ++i) {
    parts_->weights[i] = ramp_value(parts_->terms[i].recipe.weight, update, total_updates);
    parts_->temperatures[i] = ramp_value(parts_->terms[i].recipe.temperature, update, total_updates);
  }
  select(std::nullopt);
}

void Objective::select(std::optional<size_t> term) {
  Parts& parts = *parts_;
  parts.selected = parts.weights;
  for (size_t i = 0; term && i < parts.selected.size(); ++i)
    if (i != *term) parts.selected[i] = 0;
  parts.logits->set(parts.selected, parts.temperatures);
  parts.student_needs = parts.teacher_needs = {};
  parts.student_needs.logits = parts.logits->any();
  parts.teacher_needs.logits = parts.logits->reads_teacher();
  parts.features->add_needs(parts.selected, parts.student_needs, parts.teacher_needs);
}

Objective::WholeNeeds Objective::whole_needs() const {
  WholeNeeds needs;
  needs.student.logits = parts_->logits->may_count();
  needs.teacher.logits = parts_->logits->may_read_teacher();
  parts_->features->add_needs(std::vector<double>(parts_->terms.size(), 1), needs.student, needs.teacher);
  return needs;
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
  parts.logits->backward(student, teacher, batch, counts, loss_scale, values, roots);
  const at::Tensor total =
      teacher ? parts.features->total({student, *teacher}, batch, counts, parts.selected, values, figures) : at::Tensor();
  if (total.defined() && total.requires_grad())
    roots.add(total, loss_scale.defined() ? loss_scale.to(total.scalar_type()).reshape(total.sizes()) : at::ones_like(total));
  if (!roots.tensors.empty()) torch::autograd::backward(roots.tensors, roots.gradients);
  return answer;
}

}  // namespace distill
