// A teacher whose weights are on the device and that runs for every batch.
#pragma once

#include "distill/model/transformer.h"
#include "distill/teacher/teacher.h"

namespace distill {

class LiveTeacher : public Teacher {
 public:
  explicit LiveTeacher(Transformer model) : model_(std::move(model)) {}
  ForwardOutput forward(const TokenBatch& batch, const Needs& needs) override;
  const ModelSpec& spec() const override { return model_.spec(); }
  at::ScalarType compute_dtype() const override { return model_.parameters().front().tensor.scalar_type(); }

 private:
  Transformer model_;
};

}  // namespace distill
