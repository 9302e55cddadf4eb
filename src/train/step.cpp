#include "distill/train/step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/all.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "distill/core/random.h"
#include "distill/core/stop.h"
#include "distill/kernels/clip_norm.h"
#include "distill/tensor/autocast.h"

namespace distill {
namespace {

// Forward of both models, as far as the terms of this update read them, and backward of the objective for one micro-batch; adds
// the raw terms.
void run_micro_batch(const StepParts& parts, const TokenBatch& host_batch, const ForwardOptions& forward,
                     const UpdateCounts& counts, at::Tensor& terms, at::Tensor& teacher_finite) {
  if (!parts.objective.student_needs().any()) return;  // every weight is 0
  const TokenBatch batch = parts.copies(host_batch);
  std::optional<ForwardOutput> from_teacher;
  if (parts.teacher && parts.objective.teacher_needs().any()) {
    from_teacher = parts.teacher->forward(batch.read_by_teacher(), parts.objective.teacher_needs());
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

// Gradients of all micro-batches, added up in the parameters; the raw terms. False when a stop signal arrived.
bool accumulate(const StepParts& parts, const Update& update, at::Tensor& terms, at::Tensor& teacher_finite) {
  ForwardOptions forward = parts.forward;
  forward.train = true;
  forward.noise_key = random_key({parts.seed, static_cast<uint64_t>(update.index)});
  const UpdateCounts counts{static_cast<double>(update.kept_tokens), static_cast<double>(update.input_tokens),
                            static_cast<double>(update.paired_tokens)};
  for (const TokenBatch& batch : update.micro_batches) {
    if (stop_signal() != 0) return false;
    run_micro_batch(parts, batch, forward, counts, terms, teacher_finite);
  }
  return true;
}

at::Tensor dot(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  std::vector<at::Tensor> products;
  for (size_t i = 0; i < a.size(); ++i) products.push_back((a[i] * b[i]).sum(at::kDouble));
  return at::stack(products).sum();
}

// What each term does along the whole gradient: <gradient of the term, gradient> / <gradient, gradient>; the shares add up to
// one, and a term that pulls the other way has a negative one. The update is run once more for every term, with its gradient
// beside the whole one.
at::Tensor gradient_shares(const StepParts& parts, const Update& update, const at::Tensor& whole_terms) {
  const at::NoGradGuard no_grad;
  const std::vector<double> weights = parts.objective.weights();
  const std::vector<at::Tensor> whole = parts.optimizer.gradients();
  const at::Tensor square = dot(whole, whole);
  at::Tensor shares = at::zeros({static_cast<int64_t>(weights.size())}, square.options());
  at::Tensor terms = at::zeros_like(whole_terms), teacher_finite = at::ones({}, square.options());
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    parts.optimizer.set_gradients({});
    parts.objective.select(i);
    {
      const at::AutoGradMode with_grad(true);
      accumulate(parts, update, terms, teacher_finite);
    }
    shares[static_cast<int64_t>(i)].copy_(dot(parts.optimizer.gradients(), whole) / square);
  }
  parts.objective.select(std::nullopt);
  parts.optimizer.set_gradients(whole);
  return shares;
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
  const size_t num_values = parts.objective.names().size() + parts.objective.figure_names().size();
  at::Tensor terms = at::zeros({static_cast<int64_t>(num_values)}, options);
  at::Tensor teacher_finite = at::ones({}, options);
  if (!accumulate(parts, update, terms, teacher_finite)) {
    parts.optimizer.zero_gradients();
    return std::nullopt;
  }
  if (parts.measures_shares(update.index + 1)) terms = at::cat({terms, gradient_shares(parts, update, terms)});
  const at::Tensor& scale = parts.scaler.scale();
  const at::Tensor scale_used = scale.defined() ? scale.to(at::kDouble).clone() : at::ones({}, options);
  const auto [norm, skipped] = apply_gradients(parts, learning_rate);
  return at::cat({terms, at::stack({norm.to(at::kDouble), skipped.to(at::kDouble), teacher_finite, scale_used})});
}

namespace {

// Empty for a script that answers with logits alone.
Needs every_hidden_layer(const ModelSpec& spec) {
  Needs needs;
  for (int64_t layer = 0; spec.hidden_size > 0 && layer <= spec.num_layers; ++layer) needs.hidden_layers.insert(layer);
  return needs;
}

}  // namespace

ResidualPeak teacher_residual_peak(const StepParts& parts, const Update& update) {
  ResidualPeak peak;
  const Needs needs = every_hidden_layer(parts.teacher->spec());
  if (!needs.any()) return peak;
  const ForwardOutput output =
      parts.teacher->forward(first_row(update.micro_batches.front().read_by_teacher()).to(parts.device), needs);
  for (const auto& [layer, hidden_BTD] : output.hidden_BTD) {
    const double magnitude = hidden_BTD.abs().max().item<double>();
    // The last one stands after the final norm: it is no part of the stream.
    if (layer < parts.teacher->spec().num_layers && magnitude > peak.magnitude) peak = {magnitude, layer};
  }
  return peak;
}

std::string first_bad_teacher_layer(const StepParts& parts, const Update& update) {
  Needs every_layer = every_hidden_layer(parts.teacher->spec());
  every_layer.logits = !every_layer.any();
  for (const TokenBatch& batch : update.micro_batches) {
    const ForwardOutput output = parts.teacher->forward(batch.read_by_teacher().to(parts.device), every_layer);
    for (const auto& [layer, hidden_BTD] : output.hidden_BTD)
      if (!at::isfinite(hidden_BTD).all().item<bool>()) return layer == 0 ? "the embeddings" : "block " + std::to_string(layer);
  }
  return "";
}

}  // namespace distill
