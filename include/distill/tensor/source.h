// Where weights come from: a list of names with type and shape, and one tensor at a time. The model knows this face only,
// never a file format.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace distill {

class KeptCast;

struct TensorMeta {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> shape;
  uint64_t bytes = 0;
  std::string file;  // where it lies, for messages
};

class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // In the order of the file(s).
  virtual const std::vector<TensorMeta>& tensors() const = 0;
  // Reads tensor `index` of tensors() and converts it on the way: at most one stored copy and one converted copy of this one
  // tensor are alive. The result owns its memory and is contiguous.
  virtual at::Tensor read(size_t index, at::ScalarType dtype, at::Device device) const = 0;
  // The folder or file, for messages.
  virtual std::string where() const = 0;
  // Names of values beside the tensors that were skipped (a torch.save file may hold an epoch, settings, ...), for messages.
  virtual const std::vector<std::string>& left_out() const {
    static const std::vector<std::string> none;
    return none;
  }
};

// A named tensor of a model or an optimizer; the tensor is shared, not copied.
struct NamedTensor {
  std::string name;
  at::Tensor tensor;
  bool matrix = false;  // weight decay applies
  // Of a model that may keep it in the type of its products: who moves the tensor can write both.
  std::shared_ptr<KeptCast> kept = {};
};

}  // namespace distill
