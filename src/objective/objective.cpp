#include "distill/objective/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/nonzero_static.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "distill/core/error.h"
#include "distill/kernels/linear_divergence.h"
#include "distill/objective/feature_losses.h"
#include "distill/objective/layer_pairs.h"
#include "distill/objective/projector.h"
#include "distill/objective/term_table.h"
#include "distill/tensor/autocast.h"

#include "logits_sides.h"

namespace distill {
namespace {

struct Term {
  TermRecipe recipe;
  const TermFacts* facts = nullptr;
  LayerPairs pairs;                    // feature terms
  std::vector<at::Tensor> projectors;  // one per pair, one for an embedding term; undefined = identity
};

// Where gradients enter the student's graph.
struct Roots {
  std::vector<at::Tensor> tensors, gradients;
  void add(const at::Tensor& tensor, const at::Tensor& gradient) {
    tensors.push_back(tensor);
    gradients.push_back(gradient);
  }
};

// Stands for the pair of layers in the key of an embedding's projector.
constexpr std::pair<int64_t, int64_t> kWholeRow = {-1, -1};

// The student's rows on the teacher's width.
at::Tensor projected(const at::Tensor& student_ND, const at::Tensor& projector) {
  return projector.defined() ? student_ND.to(projector.scalar_type()).matmul(projector.t()) : student_ND;
}

std::string place_of(size_t index, const char* key) { return "objective." + std::to_string(index) + (*key ? "." : "") + key; }

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

const at::Tensor& layer_of(const std::map<int64_t, at::Tensor>& layers, int64_t layer) {
  const auto found = layers.find(layer);
  if (found == layers.end()) throw Bug("layer " + std::to_string(layer) + " missing in a forward output");
  return found->second;
}

// A script may answer with logits alone.
void require_signal(const Term& term, const std::string& who, const ModelShape& shape, const std::string& place,
                    std::vector<Complaint>& complaints) {
  const bool hidden = term.facts->signal == Signal::hidden;
  if ((hidden ? shape.hidden_size : shape.num_heads) > 0) return;
  const std::string what = hidden ? "hidden states" : "attention maps";
  complaints.push_back({place, "a " + who + " that returns " + what, "a " + who + " that returns none",
                        "Remove the term, or let the script return its " + what + " beside the logits.", ""});
}

}  // namespace

struct Objective::Parts {
  std::vector<Term> terms;
  std::vector<std::string> names;
  std::vector<double> weights;
  std::vector<NamedTensor> parameters;
  Needs student_needs, teacher_needs;
  ModelShape student;
  ModelShape teacher;
  ObjectiveOptions options;
  std::unique_ptr<LinearDivergence> logits;  // null without logits terms
  at::Tensor logits_places;                  // of the logits terms among all
  bool logits_read_teacher = false;
  HeadCasts casts;

  void add_pairs(size_t index, const std::optional<ModelShape>& teacher_shape, std::vector<Complaint>& complaints);
  void add_projectors(size_t index);
  void add_projector(size_t index, std::pair<int64_t, int64_t> layers, const std::string& place);
  void collect_logits_terms(bool has_teacher, std::vector<Complaint>& complaints);
  at::Tensor logits_backward(const ForwardOutput& student_out, const ForwardOutput* teacher_out, const TokenBatch& batch,
                             double kept_of_update, const at::Tensor& loss_scale, Roots& roots);
  at::Tensor pair_sum(const Term& term, size_t pair, const ForwardOutput& student_out, const ForwardOutput& teacher_out,
                      const at::Tensor& positions_N) const;
  at::Tensor embedding_value(const Term& term, const ForwardOutput& student_out, const ForwardOutput& teacher_out,
                             const UpdateCounts& counts) const;
  at::Tensor feature_value(const Term& term, const ForwardOutput& student_out, const ForwardOutput& teacher_out,
                           const TokenBatch& batch, const UpdateCounts& counts) const;
};

void Objective::Parts::add_pairs(size_t index, const std::optional<ModelShape>& teacher_shape,
                                 std::vector<Complaint>& complaints) {
  Term& term = terms[index];
  if (term.facts->signal == Signal::logits || !teacher_shape) return;
  if (term.facts->signal == Signal::embedding) {
    student_needs.embedding = teacher_needs.embedding = true;
    return;
  }
  const bool hidden = term.facts->signal == Signal::hidden;
  const size_t before = complaints.size();
  require_signal(term, "student", student, place_of(index, "function"), complaints);
  require_signal(term, "teacher", *teacher_shape, place_of(index, "function"), complaints);
  if (complaints.size() != before) return;
  term.pairs = layer_pairs(term.recipe.layer_mapping, {hidden ? 0 : 1, student.num_layers, teacher_shape->num_layers},
                           place_of(index, "layer_mapping"), complaints);
  if (complaints.size() != before) return;
  for (const auto& [student_layer, teacher_layer] : term.pairs) {
    (hidden ? student_needs.hidden_layers : student_needs.attention_layers).insert(student_layer);
    (hidden ? teacher_needs.hidden_layers : teacher_needs.attention_layers).insert(teacher_layer);
  }
}

void Objective::Parts::add_projectors(size_t index) {
  if (terms[index].facts->signal == Signal::embedding) return add_projector(index, kWholeRow, "embedding");
  for (const auto& pair : terms[index].pairs)
    add_projector(index, pair, std::to_string(pair.first) + "-" + std::to_string(pair.second));
}

void Objective::Parts::add_projector(size_t index, std::pair<int64_t, int64_t> layers, const std::string& place) {
  Term& term = terms[index];
  at::Tensor& projector = term.projectors.emplace_back();
  if (term.facts->signal == Signal::attention || student.hidden_size == teacher.hidden_size) return;
  projector = make_projector(teacher.hidden_size, student.hidden_size, layers, options.seed,
                             at::TensorOptions().dtype(options.master_dtype).device(options.device));
  parameters.push_back({"projector." + names[index] + "." + place + ".weight", projector, /*matrix=*/true});
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
    else if (facts->reads_teacher() && !teacher)
      complaints.push_back({place_of(i, "function"), "a teacher for " + function, "a recipe without `teacher`",
                            "Add `teacher: {path: ...}`, or train with cross_entropy alone.", ""});
    parts.weights.push_back(recipes[i].weight);
    parts.terms.push_back({std::move(recipes[i]), facts, {}, {}});
  }
  if (!complaints.empty()) throw RecipeError(std::move(complaints));
  for (size_t i = 0; i < parts.terms.size(); ++i) parts.add_pairs(i, teacher, complaints);
  parts.collect_logits_terms(teacher.has_value(), complaints);
  if (!complaints.empty()) throw RecipeError(std::move(complaints));
  for (size_t i = 0; i < parts.terms.size(); ++i) parts.add_projectors(i);
}

Objective::Objective(Objective&&) noexcept = default;
Objective::~Objective() = default;
const Needs& Objective::student_needs() const { return parts_->student_needs; }
const Needs& Objective::teacher_needs() const { return parts_->teacher_needs; }
const std::vector<std::string>& Objective::names() const { return parts_->names; }
const std::vector<double>& Objective::weights() const { return parts_->weights; }
const std::vector<NamedTensor>& Objective::parameters() const { return parts_->parameters; }

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

at::Tensor Objective::Parts::pair_sum(const Term& term, size_t pair, const ForwardOutput& student_out,
                                      const ForwardOutput& teacher_out, const at::Tensor& positions_N) const {
  const auto [student_layer, teacher_layer] = term.pairs[pair];
  if (term.facts->signal == Signal::attention)
    return term.facts->attention_sum(layer_of(student_out.attention_BHTT, student_layer),
                                     layer_of(teacher_out.attention_BHTT, teacher_layer).detach(), positions_N);
  const at::Tensor student_ND =
      projected(widened(rows_at(layer_of(student_out.hidden_BTD, student_layer), positions_N)), term.projectors[pair]);
  const at::Tensor teacher_ND = rows_at(layer_of(teacher_out.hidden_BTD, teacher_layer).detach(), positions_N);
  return term.facts->hidden_sum(student_ND, teacher_ND.to(student_ND.scalar_type()));
}

// The sum over the rows here, divided by the rows of the whole update.
at::Tensor Objective::Parts::embedding_value(const Term& term, const ForwardOutput& student_out, const ForwardOutput& teacher_out,
                                             const UpdateCounts& counts) const {
  const at::Tensor student_BD = projected(widened(student_out.embedding_BD), term.projectors.front());
  const at::Tensor teacher_BD = teacher_out.embedding_BD.detach().to(student_BD.scalar_type());
  return term.facts->hidden_sum(student_BD, teacher_BD) / counts.kept;
}

// The mean over pairs of the sum over positions, divided by the positions of the whole update. Undefined: no position here.
at::Tensor Objective::Parts::feature_value(const Term& term, const ForwardOutput& student_out, const ForwardOutput& teacher_out,
                                           const TokenBatch& batch, const UpdateCounts& counts) const {
  if (term.facts->signal == Signal::embedding) return embedding_value(term, student_out, teacher_out, counts);
  const Positions positions = term.recipe.positions;
  const bool all = positions == Positions::all || (positions == Positions::automatic && options.all_positions);
  const int64_t here = all ? batch.num_tokens : batch.num_kept;
  if (here == 0) return {};
  const at::Tensor positions_N = all ? at::nonzero_static(batch.documents_BT.reshape({-1}).ge(0), here).squeeze(1) : batch.kept_N;
  at::Tensor sum = pair_sum(term, 0, student_out, teacher_out, positions_N);
  for (size_t i = 1; i < term.pairs.size(); ++i) sum = sum + pair_sum(term, i, student_out, teacher_out, positions_N);
  return sum / (static_cast<double>(term.pairs.size()) * (all ? counts.tokens : counts.kept));
}

at::Tensor Objective::backward(const ForwardOutput& student, const ForwardOutput* teacher, const TokenBatch& batch,
                               const UpdateCounts& counts, const at::Tensor& loss_scale) {
  Parts& parts = *parts_;
  if (!teacher && parts.teacher_needs.any()) throw Bug("an objective that reads a teacher, called without one");
  const at::Device device = batch.ids_BT.device();
  const AutocastGuard plain_types(device, std::nullopt);  // losses choose their types themselves
  const at::Tensor values =
      at::zeros({static_cast<int64_t>(parts.terms.size())}, at::TensorOptions().dtype(at::kDouble).device(device));
  Roots roots;
  if (parts.logits && batch.num_kept > 0)
    values.index_copy_(0, parts.logits_places, parts.logits_backward(student, teacher, batch, counts.kept, loss_scale, roots));
  at::Tensor total;
  for (size_t i = 0; i < parts.terms.size(); ++i) {
    const Term& term = parts.terms[i];
    if (term.facts->signal == Signal::logits) continue;
    const at::Tensor value = parts.feature_value(term, student, *teacher, batch, counts);
    if (!value.defined()) continue;
    values[static_cast<int64_t>(i)].copy_(value.detach());
    total = total.defined() ? total + term.recipe.weight * value : term.recipe.weight * value;
  }
  if (total.defined() && total.requires_grad())
    roots.add(total, loss_scale.defined() ? loss_scale.to(total.scalar_type()).reshape(total.sizes()) : at::ones_like(total));
  if (!roots.tensors.empty()) torch::autograd::backward(roots.tensors, roots.gradients);
  return values;
}

}  // namespace distill
