// Forward outputs and batches made by hand, so that objectives are tested without a model.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "distill/objective/objective.h"

namespace distill::test {

struct Sizes {
  int64_t batch = 2, length = 5, vocab = 17, student_hidden = 6, teacher_hidden = 9;
  int64_t student_layers = 2, teacher_layers = 4, student_heads = 2, teacher_heads = 3;
  ModelShape student() const { return {student_layers, student_hidden, student_heads, vocab}; }
  ModelShape teacher() const { return {teacher_layers, teacher_hidden, teacher_heads, vocab}; }
};

inline at::Tensor random(at::IntArrayRef sizes) { return at::randn(sizes, at::TensorOptions().dtype(at::kDouble)); }

// Every layer that could be asked for; attention rows sum to one.
inline ForwardOutput random_output(const Sizes& sizes, bool student) {
  const int64_t hidden = student ? sizes.student_hidden : sizes.teacher_hidden;
  const int64_t layers = student ? sizes.student_layers : sizes.teacher_layers;
  const int64_t heads = student ? sizes.student_heads : sizes.teacher_heads;
  ForwardOutput output;
  output.final_hidden_BTD = random({sizes.batch, sizes.length, hidden});
  output.head.weight_VD = random({sizes.vocab, hidden});
  for (int64_t l = 0; l < layers; ++l) output.hidden_BTD[l] = random({sizes.batch, sizes.length, hidden});
  output.hidden_BTD[layers] = output.final_hidden_BTD;
  for (int64_t l = 1; l <= layers; ++l)
    output.attention_BHTT[l] = at::softmax(random({sizes.batch, heads, sizes.length, sizes.length}), -1);
  return output;
}

inline ForwardOutput leaves(const ForwardOutput& output) {
  const auto leaf = [](const at::Tensor& tensor) { return tensor.detach().clone().requires_grad_(); };
  ForwardOutput copy = output;
  copy.final_hidden_BTD = leaf(output.final_hidden_BTD);
  if (output.head.weight_VD.defined()) copy.head.weight_VD = leaf(output.head.weight_VD);
  if (output.embedding_BD.defined()) copy.embedding_BD = leaf(output.embedding_BD);
  for (auto& [layer, tensor] : copy.hidden_BTD)
    tensor = tensor.is_same(output.final_hidden_BTD) ? copy.final_hidden_BTD : leaf(tensor);
  for (auto& [layer, tensor] : copy.attention_BHTT) tensor = leaf(tensor);
  return copy;
}

// Rows [begin, end) of an output; gradients flow back to it.
inline ForwardOutput rows_of(const ForwardOutput& output, int64_t begin, int64_t count) {
  ForwardOutput part = output;
  part.final_hidden_BTD = output.final_hidden_BTD.narrow(0, begin, count);
  if (output.embedding_BD.defined()) part.embedding_BD = output.embedding_BD.narrow(0, begin, count);
  for (auto& [layer, tensor] : part.hidden_BTD)
    tensor = tensor.is_same(output.final_hidden_BTD) ? part.final_hidden_BTD : tensor.narrow(0, begin, count);
  for (auto& [layer, tensor] : part.attention_BHTT) tensor = tensor.narrow(0, begin, count);
  return part;
}

// targets_BT (-100 = not kept) and the number of tokens of each row that are not padding.
inline TokenBatch make_batch(const at::Tensor& targets_BT, const std::vector<int64_t>& lengths) {
  TokenBatch batch;
  batch.targets_BT = targets_BT;
  batch.ids_BT = at::zeros_like(targets_BT);
  batch.documents_BT = at::full_like(targets_BT, -1);
  for (size_t b = 0; b < lengths.size(); ++b) batch.documents_BT[static_cast<int64_t>(b)].narrow(0, 0, lengths[b]).zero_();
  const at::Tensor flat = targets_BT.reshape({-1});
  batch.kept_N = flat.ne(-100).nonzero().squeeze(1);
  batch.kept_targets_N = flat.index_select(0, batch.kept_N);
  batch.num_kept = batch.kept_N.numel();
  for (int64_t length : lengths) {
    batch.num_tokens += length;
    batch.document_lengths.push_back({length});
  }
  return batch;
}

// The rows of a classifier or an embedding model: `classes_B` (-100 = no label) under flat indices of rows.
inline TokenBatch make_row_batch(const at::Tensor& classes_B, int64_t length, const std::vector<int64_t>& lengths) {
  TokenBatch batch = make_batch(at::full({classes_B.size(0), length}, -100, at::TensorOptions().dtype(at::kLong)), lengths);
  batch.kept_N = at::arange(classes_B.size(0), at::kLong);
  batch.kept_targets_N = classes_B;
  batch.num_kept = classes_B.size(0);
  return batch;
}

inline TermRecipe term(TermFunction function, double weight = 1, double temperature = 1, double beta = 0.5) {
  TermRecipe recipe;
  recipe.function = function;
  recipe.weight = weight;
  recipe.temperature = temperature;
  recipe.beta = beta;
  return recipe;
}

inline ObjectiveOptions exact_options() {
  ObjectiveOptions options;
  options.seed = 5;
  options.master_dtype = options.compute_dtype = at::kDouble;
  return options;
}

inline double gap(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace distill::test
