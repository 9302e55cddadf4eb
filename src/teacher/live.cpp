#include "distill/teacher/live.h"

#include <ATen/core/grad_mode.h>

namespace distill {

// NoGradGuard and not InferenceMode: the loss may save what comes out of here for its backward pass.
ForwardOutput LiveTeacher::forward(const TokenBatch& batch, const Needs& needs) {
  const at::NoGradGuard no_grad;
  return model_.forward(batch, needs, {});
}

}  // namespace distill
