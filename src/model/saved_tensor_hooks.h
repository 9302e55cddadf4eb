// Saved-tensor hooks in C++: a scope in which every tensor that autograd wants to keep for the backward pass is handed to a
// function, which answers how to get it back. The mechanism is torch's own (it serves torch.autograd.graph in Python), reached
// through the engine interface; this file and its .cpp are the only ones that know.
#pragma once

#include <ATen/core/TensorBody.h>

#include <functional>

namespace distill {

using Unpack = std::function<at::Tensor()>;
// Receives a detached tensor. Must not modify it.
using Pack = std::function<Unpack(const at::Tensor&)>;

// Innermost scope of the thread wins.
class SavedTensorScope {
 public:
  explicit SavedTensorScope(Pack pack);
  ~SavedTensorScope();
  SavedTensorScope(const SavedTensorScope&) = delete;
  SavedTensorScope& operator=(const SavedTensorScope&) = delete;
};

void push_saved_tensor_pack(Pack pack);
void pop_saved_tensor_pack();

}  // namespace distill
