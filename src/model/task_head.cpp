#include "distill/model/task_head.h"

#include <ATen/TensorOperators.h>

#include "distill/model/mlp.h"

namespace distill {

at::Tensor TaskHead::operator()(const at::Tensor& hidden_BTD, const ForwardPass& pass) const {
  if (transform.weight.defined()) return transform_norm(activate(transform(hidden_BTD), activation), hidden_BTD.scalar_type());
  if (!pools_first_token) return hidden_BTD;
  const at::Tensor pooled_B1D = activate(pooler(hidden_BTD.narrow(1, 0, 1)), *pooler_activation).to(hidden_BTD.scalar_type());
  return pass.dropout(pooled_B1D, pass.options().classifier_dropout, classifier_site());
}

TaskHead make_task_head(const ModelSpec& spec, const WeightMap& weights) {
  TaskHead task;
  if (spec.task == Task::embedding) return task;
  if (spec.task == Task::sequence_classification) {
    task.head = {weights.get("classifier.weight"), weights.get_or_none("classifier.bias"), 0};
    task.head.kept = weights.kept("classifier.weight");
    task.pools_first_token = true;
    task.pooler = make_linear(weights, "pooler");
    task.pooler_activation = spec.pooler;
    return task;
  }
  const at::Tensor tied_bias = weights.get_or_none("tied_head.bias");
  const std::string head = spec.tie_embeddings ? "embedding.weight" : "head.weight";
  task.head = {weights.get(head), tied_bias.defined() ? tied_bias : weights.get_or_none("head.bias"), spec.logit_soft_cap};
  task.head.kept = weights.kept(head);
  if (!spec.head_transform) return task;
  task.transform = make_linear(weights, "head_transform");
  task.transform_norm = make_norm(spec, weights, "head_norm");
  task.activation = spec.activation;
  return task;
}

at::Tensor mean_over_tokens(const at::Tensor& hidden_BTD, const ForwardPass& pass) {
  const at::Tensor padding_BT1 = pass.padding_BT().unsqueeze(-1);
  // Filled, not multiplied by zero: what stands at padding need not be finite.
  return hidden_BTD.masked_fill(padding_BT1, 0).sum(1) / padding_BT1.logical_not().sum(1).to(hidden_BTD.scalar_type());
}

}  // namespace distill
