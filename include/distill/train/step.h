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
};

// Returns the figures of the update on the device, float64: raw terms..., figures..., grad_norm, 1 if the update was skipped, 1
// if the teacher's output was finite, the loss scale that was used. One tensor: reading an update's figures waits for the device
// once. nullopt when a stop signal arrived between micro-batches: weights, moments and scale are untouched.
std::optional<at::Tensor> run_step(const StepParts& parts, const Update& update, double learning_rate);

// The first layer of the teacher whose output is not finite for this update, e.g. "block 3"; "" when all are finite.
std::string first_bad_teacher_layer(const StepParts& parts, const Update& update);

}  // namespace distill
