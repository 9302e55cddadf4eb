// Facts of an architecture. Code outside spec/families never sees a family name: it asks these facts.
// Source of each fact: config.json of the checkpoint (src/spec/hf_config.cpp) and one table per family.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "distill/core/json_reader.h"

namespace distill {

enum class Task { causal_lm, masked_lm, sequence_classification, embedding };
enum class NormKind { rms, rms_plus_one, layer };  // rms_plus_one multiplies by (1 + weight)
enum class NormPlacement { pre, post, sandwich };  // sandwich: before and after each sublayer
enum class PositionKind { none, learned, rotary, rotary_interleaved };
enum class Activation { silu, gelu, gelu_tanh, relu, tanh };
enum class RopeScaling { none, linear, dynamic, yarn, llama3, longrope };
// How the checkpoint stores the projections to queries, keys and values: three matrices; one whose outputs are all queries, then
// all keys, then all values; or one with query, key and value of one head after the other.
enum class QkvLayout { separate, stacked, per_head };

// Rotary positions. inv_freq and the attention factor follow transformers' modeling_rope_utils.
struct RopeSpec {
  double theta = 10000;
  int64_t rotary_size = 0;  // rotated channels of a head; head_size unless partial
  RopeScaling scaling = RopeScaling::none;
  double factor = 1;
  int64_t original_max_positions = 0;
  double low_freq_factor = 1, high_freq_factor = 4;                // llama3
  double beta_fast = 32, beta_slow = 1;                            // yarn
  bool truncate = true;                                            // yarn
  std::optional<double> attention_factor, mscale, mscale_all_dim;  // yarn; the first also longrope
  std::vector<double> short_factors, long_factors;                 // longrope: one for each rotated pair of channels
};

// What one block may have of its own.
struct LayerSpec {
  int64_t window = 0;          // sliding window in tokens, its own included; 0 = sees the whole past
  double attention_scale = 0;  // 0 = that of the model
  bool local_rope = false;     // turns by ModelSpec::local_rope
};

struct ModelSpec {
  std::string model_type;    // config.json's word, for messages and for saving; never branched on
  std::string architecture;  // entry of `architectures`
  Task task = Task::causal_lm;
  bool causal = true;
  int64_t num_classes = 0;  // of a classifier's head

  // Width of the head: classes of a classifier, else the vocabulary; 0 without a head.
  int64_t head_width() const {
    return task == Task::embedding ? 0 : task == Task::sequence_classification ? num_classes : vocab_size;
  }

  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_size = 0;
  int64_t intermediate_size = 0;
  int64_t max_positions = 0;

  NormKind norm = NormKind::rms;
  double norm_eps = 1e-6;
  NormPlacement placement = NormPlacement::pre;
  bool parallel_block = false;  // attention and mlp read the same stream and are added together
  bool shared_norm = false;     // ... after one norm instead of one each
  bool embedding_norm = false;
  bool final_norm = true;
  PositionKind position = PositionKind::rotary;
  RopeSpec rope;
  std::optional<RopeSpec> local_rope;  // of the layers that say so
  int64_t num_token_types = 0;         // segment embeddings; every token is of type 0
  Activation activation = Activation::silu;
  bool gated_mlp = true;
  QkvLayout qkv = QkvLayout::separate;
  bool fused_gate_up = false;  // one matrix, gate first
  bool qkv_bias = false, attention_out_bias = false, mlp_bias = false, head_bias = false;
  bool qk_norm = false;           // a norm over each query and key head
  double attention_scale = 0;     // factor of q.k; 0 = head_size^-1/2
  double attention_soft_cap = 0;  // 0 = none; else cap * tanh(x / cap)
  double logit_soft_cap = 0;
  bool head_transform = false;       // a dense layer, the activation and a norm in front of the head
  std::optional<Activation> pooler;  // classifiers: a dense layer over the first token's vector, and this behind it
  bool carries_pooler = false;       // checkpoints hold a pooler that this task does not read
  double embedding_scale = 1;
  bool tie_embeddings = false;
  std::vector<LayerSpec> layers;  // num_layers entries

  double attention_dropout = 0, hidden_dropout = 0, embedding_dropout = 0, classifier_dropout = 0;  // of config.json
  double initializer_range = 0.02;
  std::optional<int64_t> bos_id, pad_id;
  std::vector<int64_t> eos_ids;
  std::string stored_dtype = "float32";  // of config.json; the checkpoint's tensors decide when they differ

  Json config;  // config.json as read: saved again with the student
};

// One weight: our name, its name in the Hugging Face checkpoint, its shape there. The row that loads also saves.
// Our names: embedding, position_embedding, layers.{l}.{attention_norm, attention.q, attention.k, attention.v, attention.out,
// attention.qkv, attention.q_norm, attention.k_norm, attention_post_norm, mlp_norm, mlp.gate, mlp.up, mlp.gate_up, mlp.down,
// mlp_post_norm}, final_norm, head_transform, head_norm, head, pooler, classifier, token_type_embedding, embedding_norm; each
// with the suffix .weight or .bias.
enum class WeightTransform { none, transpose };  // transpose: GPT-2 stores linear weights as [in, out]
struct WeightRow {
  std::string ours;
  std::string theirs;
  std::vector<int64_t> shape;  // as stored by them
  WeightTransform transform = WeightTransform::none;
  bool matrix = false;   // weight decay applies
  bool carried = false;  // kept and saved when the checkpoint has it, never computed with
};

// config.json -> facts. InputError for an unknown architecture, and for any key that changes the mathematics and that we do
// not know, by name. `where` is the file.
// `task`: what the model is to be used for; nullopt = what its `architectures` entry says.
ModelSpec read_spec(const Json& config, const std::string& where, std::optional<Task> task = std::nullopt);
ModelSpec read_spec_file(const std::string& folder, std::optional<Task> task = std::nullopt);
// All weights of the model, in our order; tied heads have no row of their own.
std::vector<WeightRow> weight_rows(const ModelSpec& spec);
// The names under which checkpoints hold the weight of a row: the row's own first, then those of older files and of files of the
// bare or the whole model.
std::vector<std::string> checkpoint_names(const ModelSpec& spec, const WeightRow& row);
// What a tensor is that no row names: a buffer that follows from config.json, a copy of a tied head, the head of another task, or
// something that does not belong here.
enum class Surplus { buffer, tied_head, other_head, foreign };
Surplus kind_of_surplus(const ModelSpec& spec, const std::string& name);

// Counts (src/spec/count.cpp). Tied weights count once.
int64_t count_parameters(const ModelSpec& spec);
// Forward floating-point operations for one token in a sequence of `sequence_length`, head included.
double forward_flops_per_token(const ModelSpec& spec, int64_t sequence_length);
// Bytes of activations that one token leaves for the backward pass with 4-byte values, without checkpointing.
double activation_bytes_per_token(const ModelSpec& spec);

}  // namespace distill
