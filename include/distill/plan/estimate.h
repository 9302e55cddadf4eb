// What one update needs in memory at its widest moment, counted from facts alone: no torch, no file, no device. Every part is
// derived from the tensors that live then (src/plan/block_bytes.cpp says which, block by block); tests hold the sum against
// measured updates. Scripts (TorchScript) tell no facts: what they need is not counted here.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "distill/recipe/train.h"
#include "distill/spec/spec.h"

namespace distill {

// A model, and what of its forward pass outlives it.
struct ModelFacts {
  ModelSpec spec;
  int64_t weight_bytes = 4;            // per weight, in memory
  std::set<int64_t> hidden_layers;     // Needs (model/output.h)
  std::set<int64_t> attention_layers;  // as probabilities
  std::set<int64_t> head_layers;       // as queries, keys and values
};

// What the loss over logits holds beside the models. Kept between updates.
struct LogitsFacts {
  int64_t vocab = 0, teacher_vocab = 0;    // widths that are compared; teacher_vocab 0: no teacher is read
  int64_t block_rows = 0, chunk_rows = 0;  // of the student's and the teacher's logits (kernels/linear_divergence.h)
  bool marks = false;                      // uld: a byte for each of the student's logits
};

// Terms that compare layers.
struct FeatureFacts {
  int64_t hidden_pairs = 0;      // of layers whose rows are compared
  bool projected = false;        // ... through a trained projector each
  int64_t gram_pairs = 0;        // of layers whose positions are compared with one another, tile by tile
  int64_t attention_pairs = 0;   // of blocks whose attention is compared, tile by tile
  int64_t tile_elements = 0;     // of such a tile, all heads together (objective/workspace.h)
  bool attention_kl = false;     // by KL, which holds more of a tile than a squared distance
  bool all_positions = false;    // every token counts, not the kept ones alone
  int64_t trained_elements = 0;  // of projectors and mixes
};

struct UpdateFacts {
  ModelFacts student;
  std::optional<ModelFacts> teacher;  // when a term reads it
  std::vector<std::string> freeze;    // parts of the student that do not train, as in the recipe
  int64_t master_bytes = 4;           // of what trains, its gradients and moments, and of the residual stream
  int64_t compute_bytes = 4;          // of products: those of autocast, else the master's
  bool on_gpu = false;
  bool expands_keys = false;     // attention with grouped heads repeats keys and values (no fused kernel takes them as they are)
  bool adds_in_place = true;     // products go straight into gradients of their own type (kernels/gemm.h)
  bool adds_wide = false;        // ... and 16-bit ones into a float32 gradient
  int64_t slab_rows = 0;         // where they do not: rows of the head's gradient at a time
  int64_t rows = 0, length = 0;  // of a micro-batch: B and T
  int64_t kept_rows = 0;         // positions that logits terms read; at most rows * length
  bool packed = false;           // several documents in a row, or rows of different lengths of an encoder
  double attention_dropout = 0;  // above 0: attention leaves the fused kernels
  int64_t idle_teacher_bytes = 0;  // weights of a teacher that updates do not read, or that tells no facts (a script)
  bool gradient_shares = false;    // train.log_gradient_share: the gradient is kept twice
  GradientCheckpointing checkpointing = GradientCheckpointing::none;
  LogitsFacts logits;
  FeatureFacts features;

  int64_t tokens() const { return rows * length; }
};

struct MemoryPart {
  std::string name;
  int64_t bytes = 0;
};

enum class UpdatePhase { teacher_forward, student_forward, loss, backward };
template <>
struct EnumNames<UpdatePhase> {
  static constexpr std::pair<UpdatePhase, std::string_view> kNames[] = {{UpdatePhase::teacher_forward, "teacher_forward"},
                                                                        {UpdatePhase::student_forward, "student_forward"},
                                                                        {UpdatePhase::loss, "loss"},
                                                                        {UpdatePhase::backward, "backward"}};
};

struct PhaseBytes {
  UpdatePhase phase = UpdatePhase::backward;
  std::vector<MemoryPart> parts;  // that live in it, none of 0 bytes
  int64_t bytes = 0;              // their sum
};

struct MemoryPlan {
  std::vector<PhaseBytes> phases;  // in their order within an update
  const PhaseBytes& peak() const;  // the widest
};

// cuBLAS takes its workspaces from the tensors' allocator: 8 MiB on most GPUs, 32 MiB from sm_90 on, and some for cuBLASLt.
inline constexpr int64_t kGpuLibraryBytes = int64_t{64} << 20;

// The second update of a run and every later one: gradients, moments and workspaces are there. Tensors alone, and on a GPU
// kGpuLibraryBytes.
MemoryPlan estimate_update(const UpdateFacts& facts);

// Bytes of all weights of `spec`.
int64_t bytes_of_weights(const ModelSpec& spec, int64_t bytes_per_weight);
// Weights that train.
int64_t count_trained(const ModelSpec& spec, const std::vector<std::string>& freeze);

}  // namespace distill
