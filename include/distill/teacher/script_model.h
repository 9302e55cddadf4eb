// A TorchScript module as a model: teacher, or student when its weights are parameters. What it takes and returns is found by
// looking at its forward() and by running it on two tiny inputs.
//
// It takes the token ids [B, T] first; `attention_mask` (1 on tokens, 0 on padding) and `position_ids` when it has arguments of
// these names; anything else must have a default. It returns logits [B, T, V], or a tuple, list or dictionary that begins with
// them (`logits`) and may go on with L + 1 hidden states [B, T, D] (`hidden_states`) and L attention maps [B, H, T, T]
// (`attentions`), each as a list or tuple, one by one, or, in a dictionary of tensors, stacked along a first axis. Values of
// other forms, and a single hidden state, are left alone. A script does not know of documents: rows must not be packed.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "distill/checkpoint/torchscript.h"
#include "distill/model/student.h"

namespace distill {

struct ScriptOptions {
  at::Device device = at::kCPU;
  std::optional<at::ScalarType> dtype;  // of its floating-point weights; none = as they are in the file
  bool trainable = false;
};

class ScriptModel : public StudentModel {
 public:
  // `path`: the file, or a folder with model.pt. InputError for arguments that nobody can fill, for an answer that holds no
  // logits, for a module that takes one shape only, and, when it is to be trained, for one without parameters (torch.jit.freeze).
  static ScriptModel open(const std::filesystem::path& path, const ScriptOptions& options);

  // Bug for dropout and recomputation, which a script cannot be asked for; the recipe refuses them.
  ForwardOutput forward(const TokenBatch& batch, const Needs& needs, const ForwardOptions& options) const override;
  // What can be known: width of the logits, number of layers, hidden size (0: no hidden states), heads (0: no attention maps).
  const ModelSpec& spec() const override { return spec_; }
  const std::vector<NamedTensor>& parameters() const override { return parameters_; }
  const TorchScript& script() const { return script_; }

 private:
  explicit ScriptModel(TorchScript script) : script_(std::move(script)) {}
  void check_arguments() const;
  void learn_facts(const ScriptOptions& options);

  TorchScript script_;
  ModelSpec spec_;
  std::vector<NamedTensor> parameters_;
};

}  // namespace distill
