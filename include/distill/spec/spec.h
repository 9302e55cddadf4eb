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
enum class Activation { silu, gelu, gelu_tanh, relu };
enum class RopeScaling { none, linear, dynamic, yarn, llama3 };

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
  std::optional<double> attention_factor, mscale, mscale_all_dim;  // yarn
};

// What one block may have of its own.
struct LayerSpec {
  int64_t window = 0;  // sliding window in tokens, its own included; 0 = sees the whole past
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
  bool parallel_block = false;  // attention and mlp read the same input and are added together
  bool final_norm = true;
  PositionKind position = PositionKind::rotary;
  RopeSpec rope;
  Activation activation = Activation::silu;
  bool gated_mlp = true;
  bool qkv_bias = false, attention_out_bias = false, mlp_bias = false, head_bias = false;
  bool qk_norm = false;           // a norm over each query and key head
  double attention_scale = 0;     // factor of q.k; 0 = head_size^-1/2
  double attention_soft_cap = 0;  // 0 = none; else cap * tanh(x / cap)
  double logit_soft_cap = 0;
  double embedding_scale = 1;
  bool tie_embeddings = false;
  std::vector<LayerSpec> layers;  // num_layers entries

  double attention_dropout = 0, hidden_dropout = 0, embedding_dropout = 0;  // the rates of config.json
  double initializer_range = 0.02;
  std::optional<int64_t> bos_id, pad_id;
  std::vector<int64_t> eos_ids;
  std::string stored_dtype = "float32";  // of config.json; the checkpoint's tensors decide when they differ

  Json config;  // config.json as read: saved again with the student
};

// One weight: our name, its name in the Hugging Face checkpoint, its shape there. The row that loads also saves.
// Our names: embedding, position_embedding, layers.{l}.{attention_norm, attention.q, attention.k, attention.v, attention.out,
// attention.q_norm, attention.k_norm, attention_post_norm, mlp_norm, mlp.gate, mlp.up, mlp.down, mlp_post_norm}, final_norm,
// head; each with the suffix .weight or .bias.
enum class WeightTransform { none, transpose };  // transpose: GPT-2 stores linear weights as [in, out]
struct WeightRow {
  std::string ours;
  std::string theirs;
  std::vector<int64_t> shape;  // as stored by them
  WeightTransform transform = WeightTransform::none;
  bool matrix = false;  // weight decay applies
};

// config.json -> facts. InputError for an unknown architecture, and for any key that changes the mathematics and that we do
// not know, by name. `where` is the file.
ModelSpec read_spec(const Json& config, const std::string& where);
ModelSpec read_spec_file(const std::string& folder);
// All weights of the model, in our order; tied heads have no row of their own.
std::vector<WeightRow> weight_rows(const ModelSpec& spec);

// Counts (src/spec/count.cpp). Tied weights count once.
int64_t count_parameters(const ModelSpec& spec);
// Forward floating-point operations for one token in a sequence of `sequence_length`, head included.
double forward_flops_per_token(const ModelSpec& spec, int64_t sequence_length);
// Bytes of activations that one token leaves for the backward pass with 4-byte values, without checkpointing.
double activation_bytes_per_token(const ModelSpec& spec);

}  // namespace distill
