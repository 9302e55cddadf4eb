#include "distill/teacher/script.h"

#include <ATen/core/grad_mode.h>

#include "distill/model/transformer.h"

namespace distill {

ForwardOutput ScriptTeacher::forward(const TokenBatch& batch, const Needs& needs) {
  const at::NoGradGuard no_grad;
  return model_.forward(batch, needs, {});
}

int64_t ScriptTeacher::num_parameters() const {
  int64_t count = 0;
  for (const NamedTensor& one : model_.parameters()) count += one.tensor.numel();
  return count;
}

}  // namespace distill
