// What tests of the model room share: golden cases, batches written as lists of documents, and specs made by hand.
#pragma once

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/safetensors.h"
#include "distill/model/transformer.h"
#include "distill/model/weight_map.h"
#include "distill/spec/spec.h"
#include "distill/tensor/token_batch.h"

#include "paths.h"

namespace distill::testing_model {

using Document = std::vector<int64_t>;
using Rows = std::vector<std::vector<Document>>;  // rows of documents

// A batch of packed rows, padded on the right to the longest (or to `length`); every label is kept.
inline TokenBatch make_batch(const Rows& rows, int64_t length = 0, const std::vector<int64_t>& row_keys = {}) {
  for (const auto& row : rows) {
    int64_t used = 0;
    for (const Document& document : row) used += static_cast<int64_t>(document.size());
    length = std::max(length, used);
  }
  const auto B = static_cast<int64_t>(rows.size());
  TokenBatch batch;
  batch.ids_BT = at::zeros({B, length}, at::kLong);
  batch.positions_BT = at::zeros({B, length}, at::kLong);
  batch.documents_BT = at::full({B, length}, -1, at::kLong);
  batch.targets_BT = at::full({B, length}, -100, at::kLong);
  batch.row_keys_B = row_keys.empty() ? at::arange(B, at::kLong) : at::tensor(row_keys, at::kLong);
  std::vector<int64_t> kept, targets;
  for (int64_t b = 0; b < B; ++b) {
    batch.document_lengths.emplace_back();
    if (rows[b].size() != 1) batch.one_document_per_row = false;
    int64_t t = 0;
    for (size_t d = 0; d < rows[b].size(); ++d) {
      const Document& document = rows[b][d];
      batch.document_lengths.back().push_back(static_cast<int64_t>(document.size()));
      for (size_t i = 0; i < document.size(); ++i, ++t) {
        batch.ids_BT[b][t] = document[i];
        batch.positions_BT[b][t] = static_cast<int64_t>(i);
        batch.documents_BT[b][t] = static_cast<int64_t>(d);
        ++batch.num_tokens;
        if (i + 1 == document.size()) continue;
        batch.targets_BT[b][t] = document[i + 1];
        kept.push_back(b * length + t);
        targets.push_back(document[i + 1]);
      }
    }
  }
  batch.kept_N = at::tensor(kept, at::kLong);
  batch.kept_targets_N = at::tensor(targets, at::kLong);
  batch.num_kept = static_cast<int64_t>(kept.size());
  return batch;
}

inline Document random_document(int64_t length, int64_t vocab_size, uint64_t seed) {
  Document document;
  for (int64_t i = 0; i < length; ++i) document.push_back(static_cast<int64_t>((seed * 7919 + i * i * 31 + i * 17) % vocab_size));
  return document;
}

// Sum of the cross-entropy over the kept positions.
inline at::Tensor cross_entropy_sum(const ForwardOutput& output, const TokenBatch& batch) {
  const at::Tensor logits_NV = output.logits_BTV().flatten(0, 1).index_select(0, batch.kept_N);
  return at::cross_entropy_loss(logits_NV, batch.kept_targets_N, {}, at::Reduction::Sum);
}

inline void backward(const at::Tensor& loss) { torch::autograd::backward({loss}, {}); }

inline std::map<std::string, at::Tensor> gradients(const Transformer& model) {
  std::map<std::string, at::Tensor> grads;
  for (const NamedTensor& parameter : model.parameters()) grads[parameter.name] = parameter.tensor.grad();
  return grads;
}

inline void clear_gradients(const Transformer& model) {
  for (const NamedTensor& parameter : model.parameters()) parameter.tensor.mutable_grad().reset();
}

// The largest difference over the largest reference value.
inline double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  EXPECT_EQ(found.sizes(), expected.sizes());
  const at::Tensor reference = expected.to(at::kDouble);
  return ((found.to(at::kDouble) - reference).abs().max() / reference.abs().max().clamp_min(1e-30)).item<double>();
}

inline std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& file) {
  std::map<std::string, at::Tensor> tensors;
  const auto source = open_safetensors(file);
  for (size_t i = 0; i < source->tensors().size(); ++i)
    tensors[source->tensors()[i].name] = source->read(i, source->tensors()[i].dtype, at::kCPU);
  return tensors;
}

inline std::filesystem::path data_folder() { return test::test_data("model"); }

// Every golden of scripts/goldens/make_models.py.
inline constexpr const char* kCases[] = {
    "llama_plain",   "llama_grouped", "llama_wide_heads", "llama_biased",      "llama_tied",         "llama_gelu",
    "llama_linear",  "llama_dynamic", "llama_yarn",       "llama_yarn_mscale", "llama_yarn_factor",  "llama_llama3",
    "qwen2_plain",   "qwen2_tied",    "qwen2_window",     "mistral_window",    "mistral_plain",      "qwen3_plain",
    "qwen3_window",  "gemma_plain",   "gemma_biased",     "gemma2_plain",      "gemma2_uncapped",    "gemma3_plain",
    "gemma3_scaled", "phi3_plain",    "phi3_partial",     "phi3_longrope",     "gpt2_plain",         "gpt2_scaled",
    "gpt2_unscaled", "gptj_plain",    "gptj_inner",       "gpt_neox_parallel", "gpt_neox_serial",    "bert_masked",
    "bert_untied",   "bert_classes",  "bert_embedding",   "distilbert_masked", "distilbert_classes", "distilbert_embedding"};

inline Transformer load_case(const std::string& name, const LoadOptions& options = {}) {
  const std::filesystem::path folder = data_folder() / name;
  return Transformer::load(read_spec_file(folder.string()), *open_hf_folder(folder).weights, options);
}

// What transformers answered to the sequences of a case, in float32 with eager attention, and its gradients.
struct Golden {
  explicit Golden(const std::string& name) : tensors(read_tensors(data_folder() / name / "golden.safetensors")) {}

  bool has_sequence(int index) const { return tensors.count("ids." + std::to_string(index)) > 0; }
  Document sequence(int index) const {
    const at::Tensor ids = tensors.at("ids." + std::to_string(index));
    return {ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + ids.numel()};
  }
  // Logits [T, V], of a classifier [C]; or the embedding [D].
  const at::Tensor& answer(int sequence, const ModelSpec& spec) const {
    return tensors.at((spec.task == Task::embedding ? "embedding." : "logits.") + std::to_string(sequence));
  }
  const at::Tensor& hidden(int sequence, int64_t layer) const { return layer_of("hidden", sequence, layer); }
  const at::Tensor& attention(int sequence, int64_t block) const { return layer_of("attention", sequence, block - 1); }

  std::map<std::string, at::Tensor> tensors;

 private:
  const at::Tensor& layer_of(const char* what, int sequence, int64_t layer) const {
    return tensors.at(std::string(what) + "." + std::to_string(sequence) + "." + std::to_string(layer));
  }
};

// The same of ours, of a batch of one row.
inline at::Tensor answer_of(const ForwardOutput& output, const ModelSpec& spec) {
  if (spec.task == Task::embedding) return output.embedding_BD[0];
  const at::Tensor logits = output.logits_BTV()[0];
  return spec.task == Task::sequence_classification ? logits[0] : logits;
}

// Everything that a forward pass can give.
inline Needs all_needs(const ModelSpec& spec) {
  Needs needs;
  needs.logits = true;
  needs.embedding = true;
  for (int64_t l = 0; l <= spec.num_layers; ++l) needs.hidden_layers.insert(l);
  for (int64_t l = 1; l <= spec.num_layers; ++l) needs.attention_layers.insert(l);
  return needs;
}

// A small model of facts that no family has yet; weights follow the facts.
inline ModelSpec small_spec() {
  ModelSpec spec;
  spec.model_type = "test";
  spec.architecture = "TestModel";
  spec.vocab_size = 31;
  spec.hidden_size = 12;
  spec.num_layers = 2;
  spec.num_heads = 3;
  spec.num_kv_heads = 3;
  spec.head_size = 6;
  spec.intermediate_size = 20;
  spec.max_positions = 40;
  spec.norm_eps = 1e-5;
  spec.rope.rotary_size = 6;
  spec.layers.assign(2, {});
  return spec;
}

inline WeightMap weights_for(const ModelSpec& spec, at::ScalarType dtype = at::kDouble, uint64_t seed = 5) {
  at::manual_seed(seed);
  WeightMap weights;
  const auto add = [&](const std::string& ours, std::vector<int64_t> shape, double mean = 0) {
    const bool matrix = shape.size() == 2;
    const at::Tensor tensor = at::randn(shape, dtype) * 0.3 + mean;
    weights.add({ours, "hf." + ours, shape, WeightTransform::none, matrix}, tensor.set_requires_grad(true));
  };
  const auto linear = [&](const std::string& name, int64_t out, int64_t in, bool bias) {
    add(name + ".weight", {out, in});
    if (bias) add(name + ".bias", {out});
  };
  const auto norm = [&](const std::string& name, int64_t size) {
    add(name + ".weight", {size}, spec.norm == NormKind::rms_plus_one ? 0 : 1);
    if (spec.norm == NormKind::layer) add(name + ".bias", {size});
  };
  const int64_t D = spec.hidden_size, Q = spec.num_heads * spec.head_size, KV = spec.num_kv_heads * spec.head_size;
  add("embedding.weight", {spec.vocab_size, D});
  if (spec.position == PositionKind::learned) add("position_embedding.weight", {spec.max_positions, D});
  for (int64_t l = 0; l < spec.num_layers; ++l) {
    const std::string block = "layers." + std::to_string(l) + ".";
    const bool before = spec.placement != NormPlacement::post, after = spec.placement != NormPlacement::pre;
    if (before) norm(block + "attention_norm", D);
    linear(block + "attention.q", Q, D, spec.qkv_bias);
    linear(block + "attention.k", KV, D, spec.qkv_bias);
    linear(block + "attention.v", KV, D, spec.qkv_bias);
    linear(block + "attention.out", D, Q, spec.attention_out_bias);
    if (spec.qk_norm) add(block + "attention.q_norm.weight", {spec.head_size}, 1);
    if (spec.qk_norm) add(block + "attention.k_norm.weight", {spec.head_size}, 1);
    if (after) norm(block + "attention_post_norm", D);
    if (before && !spec.shared_norm) norm(block + "mlp_norm", D);
    if (spec.gated_mlp) linear(block + "mlp.gate", spec.intermediate_size, D, spec.mlp_bias);
    linear(block + "mlp.up", spec.intermediate_size, D, spec.mlp_bias);
    linear(block + "mlp.down", D, spec.intermediate_size, spec.mlp_bias);
    if (after) norm(block + "mlp_post_norm", D);
  }
  if (spec.final_norm) norm("final_norm", D);
  if (!spec.tie_embeddings) linear("head", spec.vocab_size, D, spec.head_bias);
  return weights;
}

}  // namespace distill::testing_model
