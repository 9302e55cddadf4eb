// The terms that compare layers, or the vectors of whole rows: set up once for two models, then a differentiable value for each
// micro-batch. Logits terms are elsewhere (objective.cpp).
#pragma once

#include <vector>

#include "distill/core/error.h"
#include "distill/objective/layer_pairs.h"
#include "distill/objective/objective.h"
#include "distill/objective/term_table.h"

namespace distill {

// The key of a term's option in the recipe: `objective.2.layer_mapping`.
std::string place_of(size_t term, const char* key);

class FeatureTerms {
 public:
  FeatureTerms(const ModelShape& student, const ModelShape& teacher, const ObjectiveOptions& options)
      : student_(student), teacher_(teacher), options_(options) {}

  // Takes term `index` of the objective. What does not fit the models is added to `complaints`, all of it at once.
  void add(size_t index, const std::string& name, const TermRecipe& recipe, const TermFacts& facts,
           std::vector<Complaint>& complaints);
  // Once every term fits.
  void make_projectors();

  const Needs& student_needs() const { return student_needs_; }
  const Needs& teacher_needs() const { return teacher_needs_; }
  const std::vector<NamedTensor>& parameters() const { return parameters_; }

  // The sum of weight * term of one micro-batch, differentiable; undefined when no position counts here. Raw values go to
  // values[index].
  at::Tensor total(const ForwardOutput& student, const ForwardOutput& teacher, const TokenBatch& batch,
                   const UpdateCounts& counts, const std::vector<double>& weights, const at::Tensor& values) const;

 private:
  struct Term {
    size_t index = 0;
    std::string name;
    TermRecipe recipe;
    const TermFacts* facts = nullptr;
    LayerPairs pairs;
    std::vector<at::Tensor> projectors;  // one per pair, one for an embedding term; undefined = identity
  };

  void add_needs(const Term& term);
  void add_projector(Term& term, std::pair<int64_t, int64_t> layers, const std::string& place);
  at::Tensor pair_sum(const Term& term, size_t pair, const ForwardOutput& student, const ForwardOutput& teacher,
                      const at::Tensor& positions_N) const;
  at::Tensor embedding_value(const Term& term, const ForwardOutput& student, const ForwardOutput& teacher,
                             const UpdateCounts& counts) const;
  at::Tensor value(const Term& term, const ForwardOutput& student, const ForwardOutput& teacher, const TokenBatch& batch,
                   const UpdateCounts& counts) const;

  ModelShape student_, teacher_;
  ObjectiveOptions options_;
  std::vector<Term> terms_;
  Needs student_needs_, teacher_needs_;
  std::vector<NamedTensor> parameters_;
};

}  // namespace distill
