// One transformer for every family, steered by the facts of its ModelSpec. Layers are plain structs of tensors.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "distill/model/output.h"
#include "distill/model/student.h"
#include "distill/spec/spec.h"
#include "distill/tensor/source.h"
#include "distill/tensor/token_batch.h"

namespace distill {

class WeightMap;

// What the backward pass computes again instead of keeping: nothing; norms and the gated activation; whole blocks.
enum class Recompute { none, selective, full };

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  bool trainable = false;  // requires_grad on every weight
};

struct ForwardOptions {
  bool train = false;  // dropout active
  double attention_dropout = 0, hidden_dropout = 0, embedding_dropout = 0, classifier_dropout = 0;
  uint64_t noise_key = 0;  // hash of (seed, update): dropout is keyed by it, row_keys_B, layer and element
  Recompute recompute = Recompute::none;
};

class Transformer : public StudentModel {
 public:
  // Reads every weight that the spec names, tensor by tensor. InputError lists missing, extra and misshapen tensors by name,
  // and tensors that are not finite.
  static Transformer load(const ModelSpec& spec, const TensorSource& source, const LoadOptions& options);
  // Fresh weights: N(0, initializer_range) for matrices, zeros for biases, ones for norms, keyed by (seed, name).
  static Transformer initialise(const ModelSpec& spec, uint64_t seed, const LoadOptions& options);

  // From weights that are there already: for tests, and for students cut from a teacher.
  static Transformer from_weights(const ModelSpec& spec, const WeightMap& weights);

  Transformer(Transformer&&) noexcept;
  Transformer& operator=(Transformer&&) noexcept;
  ~Transformer() override;

  // The transformer must outlive the backward passes of what forward() returns. InputError for more tokens than
  // learned positions; ids must lie in the vocabulary, as data and verbs check where they read them.
  ForwardOutput forward(const TokenBatch& batch, const Needs& needs, const ForwardOptions& options) const override;

  const ModelSpec& spec() const override;
  // Under their Hugging Face names, in our order; a tied head appears once.
  const std::vector<NamedTensor>& parameters() const override;
  // Turns requires_grad off for parts: `embeddings`, `head`, `norms`, `layers.N`. RecipeError for a word that names nothing.
  void freeze(const std::vector<std::string>& parts);
  // The head's always, as the objective needs it after the forward pass anyway; those of the blocks unless these are recomputed,
  // which frees a block's copies behind it.
  void keep_casts(at::ScalarType dtype, Recompute recompute) override;

 private:
  struct Parts;
  explicit Transformer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Blocks that were run again in backward passes since the start; for tests and the log.
int64_t num_recomputed_blocks();
// One line on the attention path that was chosen for each shape met so far ("flash", "efficient", "math", "eager").
std::vector<std::string> attention_choices();
// The lines of it that were not taken before. `slow`: a GPU falls to the path that holds all scores; the line says why.
struct AttentionNews {
  std::string line;
  bool slow = false;
};
std::vector<AttentionNews> take_attention_news();

}  // namespace distill
