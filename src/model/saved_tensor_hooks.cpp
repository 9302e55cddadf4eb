// An engine like torch's default one, except that it answers when autograd asks for saved-tensor hooks.
#include "saved_tensor_hooks.h"

#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/saved_variable_hooks.h>

#include <memory>
#include <mutex>
#include <vector>

#include "distill/model/checkpointing.h"

namespace distill {
namespace {

// One stack per thread: a backward pass on a GPU recomputes on the engine's own threads.
std::vector<Pack>& packs() {
  thread_local std::vector<Pack> stack;
  return stack;
}

class FunctionHooks : public torch::autograd::SavedVariableHooks {
 public:
  explicit FunctionHooks(Pack pack) : pack_(std::move(pack)) {}
  void call_pack_hook(const at::Tensor& tensor) override {
    // Detached: an output that its own node keeps would otherwise own itself.
    unpack_ = pack_(tensor.detach());
    pack_ = nullptr;
  }
  at::Tensor call_unpack_hook() override { return unpack_(); }

 private:
  Pack pack_;
  Unpack unpack_;
};

class HookEngine : public torch::autograd::Engine {
 public:
  static Engine& get() {
    static auto* engine = new HookEngine;  // never destroyed: engine threads may outlive static destructors
    return *engine;
  }
  std::unique_ptr<torch::autograd::SavedVariableHooks> get_default_saved_variable_hooks() override {
    if (packs().empty() || !packs().back()) return nullptr;
    return std::make_unique<FunctionHooks>(packs().back());
  }
};

}  // namespace

void install_saved_tensor_hooks() {
  static std::once_flag once;
  std::call_once(once, [] { torch::autograd::set_default_engine_stub(HookEngine::get); });
}

void push_saved_tensor_pack(Pack pack) {
  install_saved_tensor_hooks();
  packs().push_back(std::move(pack));
}
void pop_saved_tensor_pack() { packs().pop_back(); }

SavedTensorScope::SavedTensorScope(Pack pack) { push_saved_tensor_pack(std::move(pack)); }
SavedTensorScope::~SavedTensorScope() { pop_saved_tensor_pack(); }

}  // namespace distill
