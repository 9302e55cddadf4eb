// The weighted sum of terms that is minimised. It says which signals it needs, and turns a student's and a teacher's
// ForwardOutput into gradients. Conventions: DESIGN section 4 (sums over kept positions divided by those of the whole update).
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distill/model/output.h"
#include "distill/recipe/objective.h"
#include "distill/tensor/source.h"
#include "distill/tensor/token_batch.h"

namespace distill {

// What an objective must know of a model.
struct ModelShape {
  int64_t num_layers = 0;
  int64_t hidden_size = 0;  // 0: the model returns no hidden states
  int64_t num_heads = 0;    // 0: the model tells nothing of its attention
  int64_t vocab_size = 0;   // width of the head
  int64_t head_size = 0;    // 0: the model answers with attention maps; else with queries, keys and values
};

struct ObjectiveOptions {
  uint64_t seed = 0;
  at::ScalarType master_dtype = at::kFloat;   // of projectors: float32, or float64 for proofs
  at::ScalarType compute_dtype = at::kFloat;  // of the head GEMMs: the autocast type
  at::Device device = at::kCPU;
  int64_t vocabulary_limit = 0;  // ids from here on are dropped on both sides; 0 = no limit
  bool all_positions = false;    // what `positions: auto` means: every token (encoders), or the kept ones
  // Opens the file of a sparse autoencoder; sae_features needs it.
  std::function<std::unique_ptr<TensorSource>(const std::string& path)> open_tensors = {};
};

// The counts that divide the sums: of the whole update, over all micro-batches and ranks, known before the first backward.
struct UpdateCounts {
  double kept = 0;    // positions, or rows when a row is one sample; divides logits and embedding terms
  double tokens = 0;  // that are not padding; divides terms with `positions: all`
  double pairs = 0;   // positions that uld compares under two tokenizers; divides it there
};

class Objective {
 public:
  // RecipeError for a term that does not fit the models (layer out of range, `all` with unequal depths, no teacher); InputError
  // for a file of an autoencoder that does not. A term of weight 0 is left out altogether.
  Objective(std::vector<TermRecipe> terms, const ModelShape& student, const std::optional<ModelShape>& teacher,
            const ObjectiveOptions& options);
  Objective(Objective&&) noexcept;
  ~Objective();

  // Of the terms that count now: a weight that has moved to 0 asks for nothing.
  const Needs& student_needs() const;
  const Needs& teacher_needs() const;  // empty: no teacher is read
  // Of all terms together, whenever their weights count: what an update needs at most.
  struct WholeNeeds {
    Needs student, teacher;
  };
  WholeNeeds whole_needs() const;
  const std::vector<std::string>& names() const;  // of the terms in the log, in recipe order
  // Weights and temperatures that move take their values of update `update` (counted from 1) of `total_updates`. A pure function
  // of both: nothing of it is state. A new objective stands at the first of one.
  void start_update(int64_t update, int64_t total_updates);
  // Leaves all terms but one out until the next call; nullopt: all of them again.
  void select(std::optional<size_t> term);
  const std::vector<double>& weights() const;  // of this update; 0: the term is not computed
  // Figures beside the terms, which are logged and not minimised: `<term>.overlap` of sae_features.
  const std::vector<std::string>& figure_names() const;
  // What is trained here, float32 master: projectors [D_teacher, D_student] `projector.<term>.<student layer>-<teacher
  // layer>.weight`, `....<student layer>-mix.weight` of learned mappings, `....embedding.weight`; and the mixes themselves,
  // logits [L_teacher] `layer_mix.<term>.<student layer>.weight`.
  const std::vector<NamedTensor>& parameters() const;
  // By name, of those that have a peak of the learning rate of their own.
  const std::map<std::string, double>& peak_rates() const;

  // One micro-batch: accumulates the gradient of loss_scale * sum(weight * term) into the student's leaves and the projectors.
  // Returns the raw terms' contributions, then the figures', float64 [terms + figures] on the batch's device (T squared in,
  // weight and scale out): they add up over the micro-batches of the update. `loss_scale`: float32 scalar tensor on the device,
  // or undefined for 1. `teacher` may be null when teacher_needs() is empty.
  at::Tensor backward(const ForwardOutput& student, const ForwardOutput* teacher, const TokenBatch& batch,
                      const UpdateCounts& counts, const at::Tensor& loss_scale);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Held-out figures of one micro-batch as sums over its kept positions, without gradients and without [B,T,V].
struct HeldOutSums {
  double cross_entropy = 0;
  double kl = 0;         // teacher to student, temperature 1
  double agreement = 0;  // positions where both have the same most probable id
  int64_t kept = 0;
};
HeldOutSums held_out_sums(const ForwardOutput& student, const ForwardOutput* teacher, const TokenBatch& batch,
                          at::ScalarType compute_dtype, int64_t vocabulary_limit);
// The same over the rows of a classifier, of which some may have no label.
struct ClassSums {
  double cross_entropy = 0, correct = 0;  // over the labelled rows
  double kl = 0, agreement = 0;           // over all rows
  int64_t labelled = 0, rows = 0;
};
ClassSums class_sums(const ForwardOutput& student, const ForwardOutput* teacher, const TokenBatch& batch);
// Sum of the cosines between both models' vectors of a row; their widths are equal.
double embedding_cosine_sum(const ForwardOutput& student, const ForwardOutput& teacher);

}  // namespace distill
