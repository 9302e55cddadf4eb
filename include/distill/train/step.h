// One optimizer update: forward and backward of every micro-batch, unscale, clip, update, scale. Nothing in it waits for a GPU.
#pragma once

#include <ATen/core/TensorBody.h>

#include <optional>
#include <string>

#include "distill/data/stream.h"
#include "distill/model/transformer.h"
#include "distill/objective/objective.h"
#include "distill/optim/loss_scaler.h"
#include "distill/optim/optimizer.h"
#include "distill/teacher/teacher.h"
#include "distill/tensor/transfer.h"
#include "distill/train/precision.h"

namespace distill {

// What takes part in an update; all of it outlives the step.
struct StepParts {
  const StudentModel& student;
  Teacher* teacher = nullptr;  // null when no term reads one
  Objective& objective;
  Optimizer& optimizer;
  LossScaler& scaler;
  PrecisionPlan precision;
  ForwardOptions forward;    // rates and recomputation; the noise key is set per update
  double max_grad_norm = 0;  // 0 = no clipping
  uint64_t seed = 0;
  at::Device device = at::kCPU;
  int64_t gradient_share_every = 0;  // updates between two measurements of the terms' shares in the gradient; 0 = never
  BatchCopies copies = BatchCopies(device);
  bool measures_shares(int64_t update) const {
    return gradient_share_every > 0 && (update == 1 || update % gradient_share_every == 0);
  }
};

// Returns the figures of the update on the device, float64: raw terms..., figures..., shares in the gradient... (when its number,
// update.index + 1, is one that measures them), grad_norm, 1 if the update was skipped, 1 if the
// teacher's output was finite, the loss scale that was used. One tensor: reading an update's figures waits for the device once.
// nullopt when a stop signal arrived between micro-batches: weights, moments and scale are untouched.
std::optional<at::Tensor> run_step(const StepParts& parts, const Update& update, double learning_rate);

// How far the teacher's residual stream goes on the first row of the update: the largest magnitude, and the block after which it
// is first met (0 = the embeddings). Waits for the device.
struct ResidualPeak {
  double magnitude = 0;
  int64_t layer = 0;
};
ResidualPeak teacher_residual_peak(const StepParts& parts, const Update& update);

// The first layer of the teacher whose output is not finite for this update, e.g. "block 3"; "" when all are finite.
std::string first_bad_teacher_layer(const StepParts& parts, const Update& update);

}  // namespace distill
