// The terms that compare layers, or the vectors of whole rows: set up once for two models, then a differentiable value for each
// micro-batch. Logits terms are elsewhere (objective.cpp).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "distill/core/error.h"
#include "distill/objective/autoencoder.h"
#include "distill/objective/layer_pairs.h"
#include "distill/objective/objective.h"
#include "distill/objective/term_table.h"

#include "attention_terms.h"
#include "counted_positions.h"

namespace distill {

// The key of a term's option in the recipe: `objective.2.layer_mapping`.
std::string place_of(size_t term, const char* key);

// Both models' answers to one micro-batch.
struct Answers {
  const ForwardOutput &student, &teacher;
};

class FeatureTerms {
 public:
  FeatureTerms(const ModelShape& student, const ModelShape& teacher, const ObjectiveOptions& options)
      : student_(student), teacher_(teacher), options_(options) {}

  // Takes term `index` of the objective. What does not fit the models is added to `complaints`, all of it at once.
  void add(size_t index, const std::string& name, const TermRecipe& recipe, const TermFacts& facts,
           std::vector<Complaint>& complaints);
  // Projectors, mixes and autoencoders, once every term fits. InputError for the file of an autoencoder.
  void make_parameters();

  // What the terms whose weight is not 0 read; `weights` of all terms of the objective.
  void add_needs(const std::vector<double>& weights, Needs& student, Needs& teacher) const;
  const std::vector<NamedTensor>& parameters() const { return parameters_; }
  const std::map<std::string, double>& peak_rates() const { return peak_rates_; }
  const std::vector<std::string>& figure_names() const { return figure_names_; }

  // The sum of weight * term of one micro-batch, differentiable; undefined when no position counts here. Raw values go to
  // values[index], figures to figures[i].
  at::Tensor total(const Answers& answers, const TokenBatch& batch, const UpdateCounts& counts,
                   const std::vector<double>& weights, const at::Tensor& values, const at::Tensor& figures) const;

 private:
  struct Term {
    size_t index = 0;
    std::string name;
    TermRecipe recipe;
    const TermFacts* facts = nullptr;
    LayerPairs pairs;
    int64_t relation_heads = 0;              // minilm terms
    std::vector<at::Tensor> projectors;      // one per pair, one for an embedding term; undefined = identity
    std::vector<at::Tensor> mixes;           // one per pair of a learned mapping
    std::shared_ptr<TensorSource> sae_file;  // until the autoencoder is read
    AutoencoderPlan sae_plan;
    std::optional<Autoencoder> autoencoder;
    size_t figure = 0;  // of the overlap
  };

  bool fits(Term& term, std::vector<Complaint>& complaints);
  bool open_autoencoder(Term& term, std::vector<Complaint>& complaints);
  void find_relation_heads(Term& term, std::vector<Complaint>& complaints) const;
  void add_projector(Term& term, std::pair<int64_t, int64_t> layers, const std::string& where);
  void add_mixes(Term& term);
  void add_autoencoder(Term& term);

  at::Tensor pair_sum(const Term& term, size_t pair, const Answers& answers, const CountedPositions& positions,
                      const at::Tensor& figures) const;
  at::Tensor hidden_sum(const Term& term, size_t pair, const Answers& answers, const CountedPositions& positions,
                        const at::Tensor& overlap) const;
  AttentionSide attention_side(const Term& term, const ForwardOutput& output, const ModelShape& shape, int64_t layer) const;
  at::Tensor relations_sum(const Term& term, std::pair<int64_t, int64_t> layers, const Answers& answers,
                           const CountedPositions& positions) const;
  at::Tensor embedding_value(const Term& term, const Answers& answers, const UpdateCounts& counts) const;
  at::Tensor value(const Term& term, const Answers& answers, const CountedPositions& positions, double divisor,
                   const at::Tensor& figures) const;
  bool counts_all(const Term& term) const;

  ModelShape student_, teacher_;
  ObjectiveOptions options_;
  std::vector<Term> terms_;
  std::vector<NamedTensor> parameters_;
  std::map<std::string, double> peak_rates_;
  std::vector<std::string> figure_names_;
  std::vector<Complaint> bad_files_;  // of autoencoders; said once the recipe itself is right
};

}  // namespace distill
