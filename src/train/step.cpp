#include "distill/train/step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/all.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "distill/core/random.h"
#include "distill/core/stop.h"
#include "distill/kernels/clip_norm.h"
#include "distill/tensor/autocast.h"

namespace distill {
namespace {

// Forward of both models and backward of the objective for one micro-batch; adds the raw terms.
void run_micro_batch(const StepParts& parts, const TokenBatch& host_batch, const ForwardOptions& forward,
                     const UpdateCounts& counts, at::Tensor& terms, at::Tensor& teacher_finite) {
  const TokenBatch batch = host_batch.to(parts.device);
  std::optional<ForwardOutput> from_teacher;
  if (parts.teacher) {
    from_teacher = parts.teacher->forward(batch, parts.objective.teacher_needs());
    const at::NoGradGuard no_grad;
    for (const at::Tensor& answer : {from_teacher->final_hidden_BTD, from_teacher->embedding_BD})
      if (answer.defined()) teacher_finite.mul_(at::isfinite(answer).all());
  }
  ForwardOutput from_student;
  {
    // One guard per forward: the cache of low-precision weights must not outlive it.
    const AutocastGuard autocast(parts.device, parts.precision.autocast);
    from_student = parts.student.forward(batch, parts.objective.student_needs(), forward);
  }
  terms.add_(
      parts.objective.backward(from_student, from_teacher ? &*from_teacher : nullptr, batch, counts, parts.scaler.scale()));
}

// Unscale once, clip, step, update the scale. The optimizer multiplies by one factor for the first two, and leaves the gradients
// at zero. Returns {grad_norm, skipped}.
std::pair<at::Tensor, at::Tensor> apply_gradients(const StepParts& parts, double learning_rate) {
  const at::NoGradGuard no_grad;
  const at::Tensor unscale = parts.scaler.inverse();
  const at::Tensor norm = global_norm(parts.optimizer.gradients()) * unscale;
  const at::Tensor found_inf = at::isfinite(norm).logical_not().to(at::kFloat);
  const at::Tensor factor = parts.max_grad_norm > 0 ? unscale * clip_factor(norm, parts.max_grad_norm) : unscale;
  parts.optimizer.step(learning_rate, found_inf, factor);
  parts.scaler.update(found_inf);
  return {norm, found_inf};
}

}  // namespace

std::optional<at::Tensor> run_step(const StepParts& parts, const Update& update, double learning_rate) {
  const auto options = at::TensorOptions().dtype(at::kDouble).device(parts.device);
  at::Tensor terms = at::zeros({static_cast<int64_t>(parts.objective.names().size())}, options);
  at::Tensor teacher_finite = at::ones({}, options);
  ForwardOptions forward = parts.forward;
  forward.train = true;
  forward.noise_key = random_key({parts.seed, static_cast<uint64_t>(update.index)});
  const UpdateCounts counts{static_cast<double>(update.kept_tokens), static_cast<double>(update.input_tokens)};
  for (const TokenBatch& batch : update.micro_batches) {
    if (stop_signal() != 0) {
      parts.optimizer.zero_gradients();
      return std::nullopt;
    }
    run_micro_batch(parts, batch, forward, counts, terms, teacher_finite);
  }
  const at::Tensor& scale = parts.scaler.scale();
  const at::Tensor scale_used = scale.defined() ? scale.to(at::kDouble).clone() : at::ones({}, options);
  const auto [norm, skipped] = apply_gradients(parts, learning_rate);
  return at::cat({terms, at::stack({norm.to(at::kDouble), skipped.to(at::kDouble), teacher_finite, scale_used})});
}

std::string first_bad_teacher_layer(const StepParts& parts, const Update& update) {
  Needs every_layer;
  const bool has_layers = parts.teacher->spec().hidden_size > 0;  // a script may answer with logits alone
  every_layer.logits = !has_layers;
  for (int64_t layer = 0; has_layers && layer <= parts.teacher->spec().num_layers; ++layer)
    every_layer.hidden_layers.insert(layer);
  for (const TokenBatch& batch : update.micro_batches) {
    const ForwardOutput output = parts.teacher->forward(batch.to(parts.device), every_layer);
    for (const auto& [layer, hidden_BTD] : output.hidden_BTD)
      if (!at::isfinite(hidden_BTD).all().item<bool>()) return layer == 0 ? "the embeddings" : "block " + std::to_string(layer);
  }
  return "";
}

}  // namespace distill
