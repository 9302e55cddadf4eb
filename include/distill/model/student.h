// The one face of a student: what training, evaluation and checkpoints ask of a model that learns.
#pragma once

#include <vector>

#include "distill/model/output.h"
#include "distill/spec/spec.h"
#include "distill/tensor/source.h"
#include "distill/tensor/token_batch.h"

namespace distill {

struct ForwardOptions;
enum class Recompute;

class StudentModel {
 public:
  virtual ~StudentModel() = default;
  // The model must outlive the backward passes of what it returns.
  virtual ForwardOutput forward(const TokenBatch& batch, const Needs& needs, const ForwardOptions& options) const = 0;
  virtual const ModelSpec& spec() const = 0;
  // The tensors themselves, under the names that a checkpoint has; a tied one appears once.
  virtual const std::vector<NamedTensor>& parameters() const = 0;
  // Keeps the weights' copies in `dtype`, autocast's, between forward passes, where they are the model's own to keep.
  virtual void keep_casts(at::ScalarType /*dtype*/, Recompute /*recompute*/) {}
};

}  // namespace distill
