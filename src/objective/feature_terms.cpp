#include "feature_terms.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/nonzero_static.h>

#include "distill/objective/feature_losses.h"
#include "distill/objective/projector.h"

#include "logits_sides.h"

namespace distill {
namespace {

// Stands for the pair of layers in the key of an embedding's projector.
constexpr std::pair<int64_t, int64_t> kWholeRow = {-1, -1};

// The student's rows on the teacher's width.
at::Tensor projected(const at::Tensor& student_ND, const at::Tensor& projector) {
  return projector.defined() ? student_ND.to(projector.scalar_type()).matmul(projector.t()) : student_ND;
}

const at::Tensor& layer_of(const std::map<int64_t, at::Tensor>& layers, int64_t layer) {
  const auto found = layers.find(layer);
  if (found == layers.end()) throw Bug("layer " + std::to_string(layer) + " missing in a forward output");
  return found->second;
}

// A script may answer with logits alone.
void require_signal(Signal signal, const std::string& who, const ModelShape& shape, const std::string& place,
                    std::vector<Complaint>& complaints) {
  const bool hidden = signal == Signal::hidden;
  if ((hidden ? shape.hidden_size : shape.num_heads) > 0) return;
  const std::string what = hidden ? "hidden states" : "attention maps";
  complaints.push_back({place, "a " + who + " that returns " + what, "a " + who + " that returns none",
                        "Remove the term, or let the script return its " + what + " beside the logits.", ""});
}

}  // namespace

std::string place_of(size_t term, const char* key) { return "objective." + std::to_string(term) + "." + key; }

void FeatureTerms::add(size_t index, const std::string& name, const TermRecipe& recipe, const TermFacts& facts,
                       std::vector<Complaint>& complaints) {
  Term term{index, name, recipe, &facts, {}, {}};
  if (facts.signal != Signal::embedding) {
    const size_t before = complaints.size();
    require_signal(facts.signal, "student", student_, place_of(index, "function"), complaints);
    require_signal(facts.signal, "teacher", teacher_, place_of(index, "function"), complaints);
    if (complaints.size() != before) return;
    const int64_t lowest = facts.signal == Signal::hidden ? 0 : 1;
    term.pairs = layer_pairs(recipe.layer_mapping, {lowest, student_.num_layers, teacher_.num_layers},
                             place_of(index, "layer_mapping"), complaints);
    if (complaints.size() != before) return;
  }
  add_needs(term);
  terms_.push_back(std::move(term));
}

void FeatureTerms::add_needs(const Term& term) {
  if (term.facts->signal == Signal::embedding) student_needs_.embedding = teacher_needs_.embedding = true;
  const bool hidden = term.facts->signal == Signal::hidden;
  for (const auto& [student_layer, teacher_layer] : term.pairs) {
    (hidden ? student_needs_.hidden_layers : student_needs_.attention_layers).insert(student_layer);
    (hidden ? teacher_needs_.hidden_layers : teacher_needs_.attention_layers).insert(teacher_layer);
  }
}

void FeatureTerms::make_projectors() {
  for (Term& term : terms_) {
    if (term.facts->signal == Signal::embedding) add_projector(term, kWholeRow, "embedding");
    for (const auto& pair : term.pairs) add_projector(term, pair, std::to_string(pair.first) + "-" + std::to_string(pair.second));
  }
}

void FeatureTerms::add_projector(Term& term, std::pair<int64_t, int64_t> layers, const std::string& place) {
  at::Tensor& projector = term.projectors.emplace_back();
  if (term.facts->signal == Signal::attention || student_.hidden_size == teacher_.hidden_size) return;
  projector = make_projector(teacher_.hidden_size, student_.hidden_size, layers, options_.seed,
                             at::TensorOptions().dtype(options_.master_dtype).device(options_.device));
  parameters_.push_back({"projector." + term.name + "." + place + ".weight", projector, /*matrix=*/true});
}

at::Tensor FeatureTerms::pair_sum(const Term& term, size_t pair, const ForwardOutput& student, const ForwardOutput& teacher,
                                  const at::Tensor& positions_N) const {
  const auto [student_layer, teacher_layer] = term.pairs[pair];
  if (term.facts->signal == Signal::attention)
    return term.facts->attention_sum(layer_of(student.attention_BHTT, student_layer),
                                     layer_of(teacher.attention_BHTT, teacher_layer).detach(), positions_N);
  const at::Tensor student_ND =
      projected(widened(rows_at(layer_of(student.hidden_BTD, student_layer), positions_N)), term.projectors[pair]);
  const at::Tensor teacher_ND = rows_at(layer_of(teacher.hidden_BTD, teacher_layer).detach(), positions_N);
  return term.facts->hidden_sum(student_ND, teacher_ND.to(student_ND.scalar_type()));
}

// The sum over the rows here, divided by the rows of the whole update.
at::Tensor FeatureTerms::embedding_value(const Term& term, const ForwardOutput& student, const ForwardOutput& teacher,
                                         const UpdateCounts& counts) const {
  const at::Tensor student_BD = projected(widened(student.embedding_BD), term.projectors.front());
  const at::Tensor teacher_BD = teacher.embedding_BD.detach().to(student_BD.scalar_type());
  return term.facts->hidden_sum(student_BD, teacher_BD) / counts.kept;
}

// The mean over pairs of the sum over positions, divided by the positions of the whole update. Undefined: no position here.
at::Tensor FeatureTerms::value(const Term& term, const ForwardOutput& student, const ForwardOutput& teacher,
                               const TokenBatch& batch, const UpdateCounts& counts) const {
  if (term.facts->signal == Signal::embedding) return embedding_value(term, student, teacher, counts);
  const Positions positions = term.recipe.positions;
  const bool all = positions == Positions::all || (positions == Positions::automatic && options_.all_positions);
  const int64_t here = all ? batch.num_tokens : batch.num_kept;
  if (here == 0) return {};
  const at::Tensor positions_N = all ? at::nonzero_static(batch.documents_BT.reshape({-1}).ge(0), here).squeeze(1) : batch.kept_N;
  at::Tensor sum = pair_sum(term, 0, student, teacher, positions_N);
  for (size_t i = 1; i < term.pairs.size(); ++i) sum = sum + pair_sum(term, i, student, teacher, positions_N);
  return sum / (static_cast<double>(term.pairs.size()) * (all ? counts.tokens : counts.kept));
}

at::Tensor FeatureTerms::total(const ForwardOutput& student, const ForwardOutput& teacher, const TokenBatch& batch,
                               const UpdateCounts& counts, const std::vector<double>& weights, const at::Tensor& values) const {
  at::Tensor total;
  for (const Term& term : terms_) {
    if (weights.at(term.index) == 0) continue;
    const at::Tensor raw = value(term, student, teacher, batch, counts);
    if (!raw.defined()) continue;
    values[static_cast<int64_t>(term.index)].copy_(raw.detach());
    const at::Tensor weighted = weights.at(term.index) * raw;
    total = total.defined() ? total + weighted : weighted;
  }
  return total;
}

}  // namespace distill
