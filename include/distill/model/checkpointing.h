// Activation checkpointing: what the backward pass needs is computed again instead of being kept. One face for whole blocks and
// one for single cheap values; both rest on saved-tensor hooks (src/model/saved_tensor_hooks.h).
#pragma once

#include <ATen/core/TensorBody.h>

#include <functional>

namespace distill {

// The forward half of checkpoint(), below.
class CheckpointScope {
 public:
  CheckpointScope(std::function<void(const at::Tensor& x)> run, const at::Tensor& x);
  ~CheckpointScope();
  CheckpointScope(const CheckpointScope&) = delete;
  CheckpointScope& operator=(const CheckpointScope&) = delete;
};

// Runs run(x) and returns its result. Of all tensors that its graph would keep for the backward pass only x stays; when the
// backward pass asks for the first of the others, run(x) runs once more under the forward's autocast state, up to the last tensor
// that is needed, on the thread that asks. `run` must be pure (keyed dropout is) and what it refers to must outlive the backward
// pass. Works when x needs no gradient itself. Bug when the second run does not make the same tensors (number, shapes, types).
template <class Run>
auto checkpoint(Run run, const at::Tensor& x) {
  const CheckpointScope scope([run](const at::Tensor& again) { run(again); }, x);
  return run(x);
}

// `value` came out of recipe(), which is cheap and reads only tensors that stay alive anyway. Within this scope, operations that
// would keep `value` (or a view of all of it) for the backward pass keep the recipe. Needs an undefined or dense value.
class CheapValue {
 public:
  CheapValue(const at::Tensor& value, std::function<at::Tensor()> recipe);
  ~CheapValue();
  CheapValue(const CheapValue&) = delete;
  CheapValue& operator=(const CheapValue&) = delete;

 private:
  bool active_;
};

// Puts the hooks in place. Called by the two above; programs call it at start, before any backward pass runs in another thread.
void install_saved_tensor_hooks();

}  // namespace distill
