// The terms that compare logits, all of them in one pass over the kept rows: set up once for two models, then values and
// gradients for each micro-batch. Terms that compare layers are elsewhere (feature_terms.h).
#pragma once

#include <memory>
#include <vector>

#include "distill/core/error.h"
#include "distill/kernels/linear_divergence.h"
#include "distill/objective/objective.h"
#include "distill/objective/term_table.h"

#include "logits_sides.h"

namespace distill {

// Where gradients enter the student's graph.
struct Roots {
  std::vector<at::Tensor> tensors, gradients;
  void add(const at::Tensor& tensor, const at::Tensor& gradient) {
    tensors.push_back(tensor);
    gradients.push_back(gradient);
  }
};

class LogitsTerms {
 public:
  LogitsTerms(const ModelShape& student, const std::optional<ModelShape>& teacher, const ObjectiveOptions& options)
      : student_(student), teacher_(teacher), options_(options) {}

  // Takes term `index` of the objective. What does not fit the models is added to `complaints`, all of it at once.
  void add(size_t index, const TermRecipe& recipe, const TermFacts& facts, std::vector<Complaint>& complaints);
  // Once every term fits: the weights and temperatures of an update, of all terms of the objective. A weight of 0 leaves its
  // term out.
  void set(const std::vector<double>& weights, const std::vector<double>& temperatures);

  // Of the terms that take part.
  bool reads_teacher() const { return reads_teacher_; }
  bool any() const { return !places_.empty(); }
  // Of all terms, those too that do not count now.
  bool may_count() const { return !terms_.empty(); }
  bool may_read_teacher() const;

  // Raw values go to values[index]. Gradients of the head go to their buffers, that of the final hidden states becomes a root.
  // Under two tokenizers (TokenBatch::teacher) uld is a sum over the paired positions divided by those of the whole update, and
  // cross_entropy what it always is.
  void backward(const ForwardOutput& student, const ForwardOutput* teacher, const TokenBatch& batch, const UpdateCounts& counts,
                const at::Tensor& loss_scale, const at::Tensor& values, Roots& roots);

 private:
  struct Term {
    size_t index = 0;
    TermRecipe recipe;
    const TermFacts* facts = nullptr;
  };
  void check_vocabularies(const Term& term, std::vector<Complaint>& complaints) const;

  ModelShape student_;
  std::optional<ModelShape> teacher_;
  ObjectiveOptions options_;
  std::vector<Term> terms_;
  std::vector<double> weights_, temperatures_;  // as set last
  std::vector<size_t> places_;                  // indices of the terms that take part
  bool reads_teacher_ = false;                  // whether one of these does
  bool uld_alone_ = false;                      // whether there is no other
  std::unique_ptr<LinearDivergence> divergence_;
  HeadCasts casts_;
};

}  // namespace distill
