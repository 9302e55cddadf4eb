#include "distill/tensor/restore.h"

#include <ATen/core/grad_mode.h>

#include <map>

#include "distill/core/error.h"

namespace distill {
namespace {

std::string text_of(at::ScalarType dtype, at::IntArrayRef shape) {
  std::string text = std::string(c10::toString(dtype)) + " [";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

void restore_tensors(const std::vector<NamedTensor>& tensors, const TensorSource& source) {
  const at::NoGradGuard no_grad;
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < source.tensors().size(); ++i) places[source.tensors()[i].name] = i;
  for (const NamedTensor& target : tensors) {
    const std::string wanted = text_of(target.tensor.scalar_type(), target.tensor.sizes());
    const auto place = places.find(target.name);
    const std::string advice = "This state belongs to another run: use another output folder, or --fresh.";
    if (place == places.end()) throw InputError({source.where(), "the tensor " + target.name, "none of that name", advice, ""});
    const TensorMeta& meta = source.tensors()[place->second];
    if (meta.dtype != target.tensor.scalar_type() || at::IntArrayRef(meta.shape) != target.tensor.sizes())
      throw InputError({source.where(), target.name + " to be " + wanted, text_of(meta.dtype, meta.shape), advice, ""});
    target.tensor.copy_(source.read(place->second, meta.dtype, target.tensor.device()));
  }
}

}  // namespace distill
