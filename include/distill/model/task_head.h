// What stands between the last hidden states and the answer of a task: nothing (causal models), a transform (masked LM), a pooler
// (classifiers); and the mean that makes a sentence embedding.
#pragma once

#include <ATen/core/TensorBody.h>

#include "distill/model/forward_pass.h"
#include "distill/model/linear.h"
#include "distill/model/norm.h"
#include "distill/model/output.h"

namespace distill {

struct TaskHead {
  Head head;  // weight undefined: none (sentence embeddings)
  // masked LM: norm(activation(dense(x))) at every position
  Linear transform;
  Norm transform_norm;
  Activation activation = Activation::gelu;
  // classifiers: activation(dense(x of the first token)), one row per sequence
  bool pools_first_token = false;
  Linear pooler;
  std::optional<Activation> pooler_activation;

  // hidden_BTD -> what the head reads (ForwardOutput::final_hidden_BTD), float32 or wider.
  at::Tensor operator()(const at::Tensor& hidden_BTD, const ForwardPass& pass) const;
};

TaskHead make_task_head(const ModelSpec& spec, const WeightMap& weights);

// Mean over the tokens of each row, padding left out: [B, D].
at::Tensor mean_over_tokens(const at::Tensor& hidden_BTD, const ForwardPass& pass);

}  // namespace distill
