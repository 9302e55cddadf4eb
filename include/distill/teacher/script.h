// A teacher that is a TorchScript module (`trust: torchscript`).
#pragma once

#include "distill/teacher/script_model.h"
#include "distill/teacher/teacher.h"

namespace distill {

class ScriptTeacher : public Teacher {
 public:
  explicit ScriptTeacher(ScriptModel model) : model_(std::move(model)) {}
  ForwardOutput forward(const TokenBatch& batch, const Needs& needs) override;
  const ModelSpec& spec() const override { return model_.spec(); }
  // 0 for a frozen module.
  int64_t num_parameters() const override;

 private:
  ScriptModel model_;
};

}  // namespace distill
