// TorchScript files (torch.jit.save). A script is a program: it runs what its author wrote, so nothing here is called unless the
// recipe says `trust: torchscript`. This file knows how to open, call and save a script; what its answer means is not its
// concern.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distill/tensor/source.h"

namespace distill {

// Name of a script in a model folder, beside its tokenizer files.
inline constexpr const char* kTorchScriptFile = "model.pt";
// `path` itself, or the script in the folder `path`. InputError when there is none.
std::filesystem::path torchscript_file(const std::filesystem::path& path);

// One value of what forward() returns: a tensor, or a flat list or tuple of tensors. Without tensors: something else.
struct ScriptValue {
  std::string name;  // key of a dictionary, field of a named tuple; else empty
  bool is_list = false;
  std::vector<at::Tensor> tensors;
};

struct ScriptArgument {
  std::string name;
  bool has_default = false;
};

class TorchScript {
 public:
  // Onto `device`, whatever device the file names; in evaluation mode. InputError when it is no TorchScript file, or a broken
  // one.
  static TorchScript load(const std::filesystem::path& file, at::Device device);
  TorchScript(TorchScript&&) noexcept;
  TorchScript& operator=(TorchScript&&) noexcept;
  ~TorchScript();

  const std::filesystem::path& file() const;
  // Of forward(), without `self`.
  std::vector<ScriptArgument> arguments() const;
  // Calls forward() with arguments by name, operation by operation as eager PyTorch does, without the fusions of the executor:
  // the same bits at every call. A bare tensor comes back as one value. InputError with the script's words when it throws.
  std::vector<ScriptValue> run(const std::vector<std::pair<std::string, at::Tensor>>& arguments) const;
  // The type of what forward() returns, as TorchScript writes it; for messages.
  std::string return_type() const;

  // Converts floating-point parameters and buffers.
  void convert(at::ScalarType dtype);
  // Turns requires_grad on for every floating-point parameter and off for the rest.
  void make_trainable();
  // Parameters that the module declares, the tensors themselves; tied ones once. Empty for a frozen module, whose weights are
  // constants of its code.
  std::vector<NamedTensor> parameters() const;

  // Writes the module with its present weights as CPU tensors, floating-point ones in `dtype`, or each in the type that its file
  // had it in; fsyncs. Not atomic by itself.
  void save(const std::filesystem::path& file, std::optional<at::ScalarType> dtype) const;

 private:
  struct Parts;
  explicit TorchScript(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace distill
