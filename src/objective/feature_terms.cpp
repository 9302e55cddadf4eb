#include "feature_terms.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "distill/objective/feature_losses.h"
#include "distill/objective/layer_mix.h"
#include "distill/objective/projector.h"

#include "gram.h"
#include "logits_sides.h"

namespace distill {
namespace {

// Stands for the pair of layers in the key of an embedding's projector.
constexpr std::pair<int64_t, int64_t> kWholeRow = {-1, -1};

// The student's rows on the teacher's width.
at::Tensor projected(const at::Tensor& student_ND, const at::Tensor& projector) {
  return projector.defined() ? student_ND.to(projector.scalar_type()).matmul(projector.t()) : student_ND;
}

template <class Value>
const Value& layer_of(const std::map<int64_t, Value>& layers, int64_t layer) {
  const auto found = layers.find(layer);
  if (found == layers.end()) throw Bug("layer " + std::to_string(layer) + " missing in a forward output");
  return found->second;
}

// A script may answer with logits alone.
void require_signal(const TermFacts& facts, const std::string& who, const ModelShape& shape, const std::string& place,
                    std::vector<Complaint>& complaints) {
  const bool hidden = facts.reads_hidden_states();
  if ((hidden ? shape.hidden_size : shape.num_heads) > 0) return;
  const std::string what = hidden ? "hidden states" : "attention maps";
  complaints.push_back({place, "a " + who + " that returns " + what, "a " + who + " that returns none",
                        "Remove the term, or let the script return its " + what + " beside the logits.", ""});
}

// The place of a layer in a mix of all of the teacher's.
std::vector<at::Tensor> all_layers(const ForwardOutput& teacher, int64_t num_layers) {
  std::vector<at::Tensor> layers;
  for (int64_t layer = 1; layer <= num_layers; ++layer) layers.push_back(layer_of(teacher.hidden_BTD, layer).detach());
  return layers;
}

std::string pair_text(std::pair<int64_t, int64_t> pair) {
  return std::to_string(pair.first) + "-" + (pair.second == kMixOfLayers ? "mix" : std::to_string(pair.second));
}

// Layer of the student that is as deep as `layer` is in the teacher; embeddings stay with embeddings.
int64_t as_deep(int64_t layer, int64_t student_layers, int64_t teacher_layers) {
  if (layer == 0) return 0;
  const int64_t nearest = (2 * layer * student_layers + teacher_layers) / (2 * teacher_layers);
  return std::min(student_layers, std::max<int64_t>(1, nearest));
}

LayerMapping mapping_of(const TermRecipe& recipe, const ModelShape& student, const ModelShape& teacher) {
  if (!recipe.sae) return recipe.layer_mapping;
  const int64_t ours = recipe.sae->student_layer.value_or(
      teacher.num_layers > 0 ? as_deep(*recipe.sae->layer, student.num_layers, teacher.num_layers) : 0);
  return {LayerRule::pairs, {{ours, *recipe.sae->layer}}};
}

}  // namespace

std::string place_of(size_t term, const char* key) { return "objective." + std::to_string(term) + "." + key; }

void FeatureTerms::add(size_t index, const std::string& name, const TermRecipe& recipe, const TermFacts& facts,
                       std::vector<Complaint>& complaints) {
  Term term;
  term.index = index;
  term.name = name;
  term.recipe = recipe;
  term.facts = &facts;
  if (facts.signal != Signal::embedding && !fits(term, complaints)) return;
  terms_.push_back(std::move(term));
}

// Finds the layers that are compared, and the heads of relations.
bool FeatureTerms::fits(Term& term, std::vector<Complaint>& complaints) {
  const size_t before = complaints.size();
  require_signal(*term.facts, "student", student_, place_of(term.index, "function"), complaints);
  require_signal(*term.facts, "teacher", teacher_, place_of(term.index, "function"), complaints);
  if (complaints.size() != before) return false;
  if (term.recipe.sae && !open_autoencoder(term, complaints)) return false;
  LayerRange range{term.facts->reads_hidden_states() ? 0 : 1, student_.num_layers, teacher_.num_layers};
  range.can_mix = term.facts->signal == Signal::hidden;
  term.pairs = layer_pairs(mapping_of(term.recipe, student_, teacher_), range,
                           place_of(term.index, term.recipe.sae ? "sae.student_layer" : "layer_mapping"), complaints);
  if (term.facts->signal == Signal::relation_qk || term.facts->signal == Signal::relation_self)
    find_relation_heads(term, complaints);
  return complaints.size() == before;
}

// What the file gets wrong is bad input; where the recipe contradicts it, the recipe is wrong.
bool FeatureTerms::open_autoencoder(Term& term, std::vector<Complaint>& complaints) {
  if (!options_.open_tensors) throw Bug("an objective with an autoencoder and no way to open its file");
  SaeRecipe& recipe = *term.recipe.sae;
  if (recipe.layer.value_or(0) > teacher_.num_layers) {  // told without the file, which may not be there either
    complaints.push_back({place_of(term.index, "sae"), "teacher layers 0 to " + std::to_string(teacher_.num_layers),
                          std::to_string(*recipe.layer), "Correct `layer`.", ""});
    return false;
  }
  ExaminedAutoencoder examined;
  try {
    term.sae_file = options_.open_tensors(sae_weights_file(recipe.path));
    examined = examine_autoencoder(recipe, *term.sae_file, {teacher_.hidden_size, teacher_.num_layers});
  } catch (const InputError& error) {
    bad_files_.insert(bad_files_.end(), error.complaints().begin(), error.complaints().end());
    return false;
  }
  for (const auto& [key, fault] : examined.faults) {
    if (key == "path")
      bad_files_.push_back(fault);
    else
      complaints.push_back({place_of(term.index, ("sae." + key).c_str()), fault.expected + " (" + fault.where + ")", fault.found,
                            fault.advice, ""});
  }
  if (!examined.faults.empty()) return false;
  recipe.layer = examined.layer;
  term.sae_plan = examined.plan;
  return true;
}

void FeatureTerms::find_relation_heads(Term& term, std::vector<Complaint>& complaints) const {
  const std::string place = place_of(term.index, "relation_heads");
  if (!term.recipe.relation_heads.value && student_.num_heads != teacher_.num_heads) {
    complaints.push_back({place, "a number of relation heads, because the models have different numbers of heads",
                          "auto, with " + std::to_string(student_.num_heads) + " (student) and " +
                              std::to_string(teacher_.num_heads) + " (teacher) heads",
                          "Give a number that divides both widths, for example relation_heads: " +
                              std::to_string(std::gcd(student_.num_heads, teacher_.num_heads)) + ".",
                          ""});
    return;
  }
  term.relation_heads = term.recipe.relation_heads.value.value_or(student_.num_heads);
  for (const auto& [who, shape] : {std::pair("student", &student_), std::pair("teacher", &teacher_)}) {
    const bool own = term.facts->signal == Signal::relation_qk && shape->num_heads == term.relation_heads;
    if (shape->head_size == 0 && !own)
      complaints.push_back({place_of(term.index, own ? "relation_heads" : "function"),
                            std::string("a ") + who + " that tells its queries, keys and values",
                            "a script, which returns attention maps of " + std::to_string(shape->num_heads) + " heads",
                            "Use attention_kl, or a Hugging Face folder.", ""});
    const int64_t width = shape->num_heads * shape->head_size;
    if (width % term.relation_heads != 0)
      complaints.push_back({place, std::string("a divisor of the width of the ") + who + "'s heads, " + std::to_string(width),
                            std::to_string(term.relation_heads), "Use a number that divides the widths of both models.", ""});
  }
}

void FeatureTerms::add_needs(const std::vector<double>& weights, Needs& student, Needs& teacher) const {
  for (const Term& term : terms_) {
    if (weights.at(term.index) == 0) continue;
    if (term.facts->signal == Signal::embedding) student.embedding = teacher.embedding = true;
    const bool hidden = term.facts->reads_hidden_states();
    const auto layers_in = [hidden](Needs& needs, const ModelShape& shape) -> std::set<int64_t>& {
      return hidden ? needs.hidden_layers : shape.head_size > 0 ? needs.head_layers : needs.attention_layers;
    };
    for (const auto& [student_layer, teacher_layer] : term.pairs) {
      layers_in(student, student_).insert(student_layer);
      const int64_t first = teacher_layer == kMixOfLayers ? 1 : teacher_layer;
      const int64_t last = teacher_layer == kMixOfLayers ? teacher_.num_layers : teacher_layer;
      for (int64_t layer = first; layer <= last; ++layer) layers_in(teacher, teacher_).insert(layer);
    }
  }
}

void FeatureTerms::make_parameters() {
  if (!bad_files_.empty()) throw Error(ExitCode::bad_input, bad_files_);
  for (Term& term : terms_) {
    if (term.facts->signal == Signal::embedding) add_projector(term, kWholeRow, "embedding");
    if (term.facts->signal == Signal::hidden || term.facts->signal == Signal::autoencoder)
      for (const auto& pair : term.pairs) add_projector(term, pair, pair_text(pair));
    add_mixes(term);
    if (term.facts->signal == Signal::autoencoder) add_autoencoder(term);
  }
}

void FeatureTerms::add_projector(Term& term, std::pair<int64_t, int64_t> layers, const std::string& where) {
  at::Tensor& projector = term.projectors.emplace_back();
  if (student_.hidden_size == teacher_.hidden_size) return;
  projector = make_projector(teacher_.hidden_size, student_.hidden_size, layers, options_.seed,
                             at::TensorOptions().dtype(options_.master_dtype).device(options_.device));
  parameters_.push_back({"projector." + term.name + "." + where + ".weight", projector, /*matrix=*/true});
  if (term.recipe.projector_learning_rate) peak_rates_[parameters_.back().name] = *term.recipe.projector_learning_rate;
}

void FeatureTerms::add_mixes(Term& term) {
  for (const auto& [student_layer, teacher_layer] : term.pairs) {
    if (teacher_layer != kMixOfLayers) continue;
    term.mixes.push_back(
        make_layer_mix(teacher_.num_layers, at::TensorOptions().dtype(options_.master_dtype).device(options_.device)));
    parameters_.push_back({"layer_mix." + term.name + "." + std::to_string(student_layer) + ".weight", term.mixes.back()});
  }
}

void FeatureTerms::add_autoencoder(Term& term) {
  term.autoencoder =
      read_autoencoder(term.sae_plan, *term.sae_file, at::TensorOptions().dtype(options_.master_dtype).device(options_.device));
  term.sae_file.reset();
  term.figure = figure_names_.size();
  figure_names_.push_back(term.name + ".overlap");
}

// Rows of one hidden state: plain, against a mix of layers, or through an autoencoder.
at::Tensor FeatureTerms::hidden_sum(const Term& term, size_t pair, const Answers& answers, const CountedPositions& positions,
                                    const at::Tensor& overlap) const {
  const auto [student_layer, teacher_layer] = term.pairs[pair];
  const at::Tensor student_ND =
      projected(widened(rows_at(layer_of(answers.student.hidden_BTD, student_layer), positions.flat_N)), term.projectors[pair]);
  if (teacher_layer == kMixOfLayers)
    return mixed_sum(term.facts->row_loss, student_ND, term.mixes[pair], all_layers(answers.teacher, teacher_.num_layers),
                     positions.flat_N);
  const at::Tensor teacher_ND = rows_at(layer_of(answers.teacher.hidden_BTD, teacher_layer).detach(), positions.flat_N);
  if (term.autoencoder) return autoencoder_sum(*term.autoencoder, student_ND, teacher_ND, overlap);
  return term.facts->row_loss(student_ND, teacher_ND.to(student_ND.scalar_type()));
}

// The attention of a block, or, when its heads are not the relation heads, the relation between its queries and keys.
AttentionSide FeatureTerms::attention_side(const Term& term, const ForwardOutput& output, const ModelShape& shape,
                                           int64_t layer) const {
  if (shape.head_size == 0) return attention_of(layer_of(output.attention_BHTT, layer));
  const AttentionHeads& heads = layer_of(output.heads, layer);
  if (term.relation_heads == 0 || term.relation_heads == shape.num_heads) return attention_of(heads);
  return relation_of(heads, heads.q_BTHK, heads.k_BTGK, term.relation_heads);
}

// Queries, keys or values against themselves.
at::Tensor FeatureTerms::relations_sum(const Term& term, std::pair<int64_t, int64_t> layers, const Answers& answers,
                                       const CountedPositions& positions) const {
  const AttentionHeads& student = layer_of(answers.student.heads, layers.first);
  const AttentionHeads& teacher = layer_of(answers.teacher.heads, layers.second);
  const auto side = [&](const AttentionHeads& heads, Relation relation) {
    const at::Tensor& x = relation == Relation::q ? heads.q_BTHK : relation == Relation::k ? heads.k_BTGK : heads.v_BTGK;
    return relation_of(heads, x, x, term.relation_heads);
  };
  at::Tensor sum;
  for (const Relation relation : term.recipe.relations) {
    const at::Tensor one = attention_sum(term.facts->distance, side(student, relation), side(teacher, relation), positions);
    sum = sum.defined() ? sum + one : one;
  }
  return sum;
}

at::Tensor FeatureTerms::pair_sum(const Term& term, size_t pair, const Answers& answers, const CountedPositions& positions,
                                  const at::Tensor& figures) const {
  const auto [student_layer, teacher_layer] = term.pairs[pair];
  switch (term.facts->signal) {
    case Signal::hidden:
    case Signal::autoencoder:
      return hidden_sum(term, pair, answers, positions, figures);
    case Signal::gram:
      return gram_sum(layer_of(answers.student.hidden_BTD, student_layer),
                      layer_of(answers.teacher.hidden_BTD, teacher_layer).detach(), positions);
    case Signal::attention:
    case Signal::relation_qk:
      return attention_sum(term.facts->distance, attention_side(term, answers.student, student_, student_layer),
                           attention_side(term, answers.teacher, teacher_, teacher_layer), positions);
    case Signal::relation_self:
      return relations_sum(term, {student_layer, teacher_layer}, answers, positions);
    default:
      throw Bug("a term without layers was asked for a pair of them");
  }
}

// The sum over the rows here, divided by the rows of the whole update.
at::Tensor FeatureTerms::embedding_value(const Term& term, const Answers& answers, const UpdateCounts& counts) const {
  const at::Tensor student_BD = projected(widened(answers.student.embedding_BD), term.projectors.front());
  const at::Tensor teacher_BD = answers.teacher.embedding_BD.detach().to(student_BD.scalar_type());
  return term.facts->row_loss(student_BD, teacher_BD) / counts.kept;
}

// The mean over pairs of the sum over positions, divided by the positions of the whole update.
at::Tensor FeatureTerms::value(const Term& term, const Answers& answers, const CountedPositions& positions, double divisor,
                               const at::Tensor& figures) const {
  const double parts = static_cast<double>(term.pairs.size()) * divisor;
  const at::Tensor overlap = at::zeros({}, figures.options());
  at::Tensor sum = pair_sum(term, 0, answers, positions, overlap);
  for (size_t i = 1; i < term.pairs.size(); ++i) sum = sum + pair_sum(term, i, answers, positions, overlap);
  if (term.autoencoder) figures[static_cast<int64_t>(term.figure)].copy_(overlap / parts);
  return sum / parts;
}

bool FeatureTerms::counts_all(const Term& term) const {
  const Positions positions = term.recipe.positions;
  return positions == Positions::all || (positions == Positions::automatic && options_.all_positions);
}

at::Tensor FeatureTerms::total(const Answers& answers, const TokenBatch& batch, const UpdateCounts& counts,
                               const std::vector<double>& weights, const at::Tensor& values, const at::Tensor& figures) const {
  std::optional<CountedPositions> kept, all;
  at::Tensor total;
  for (const Term& term : terms_) {
    if (weights.at(term.index) == 0) continue;
    const bool every = counts_all(term), whole_rows = term.facts->signal == Signal::embedding;
    std::optional<CountedPositions>& positions = every ? all : kept;
    if (!whole_rows && !positions) positions = counted_positions(batch, every);
    if (!whole_rows && positions->here == 0) continue;
    const at::Tensor raw = whole_rows ? embedding_value(term, answers, counts)
                                      : value(term, answers, *positions, every ? counts.tokens : counts.kept, figures);
    values[static_cast<int64_t>(term.index)].copy_(raw.detach());
    const at::Tensor weighted = weights.at(term.index) * raw;
    total = total.defined() ? total + weighted : weighted;
  }
  return total;
}

}  // namespace distill
