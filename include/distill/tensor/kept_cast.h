// A weight's copy in the type of the products, kept beside the weight for as long as its values stand: one cast for an update
// instead of one for every micro-batch, and none where the optimizer writes both.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <optional>

namespace distill {

class KeptCast {
 public:
  // From now on `of` may be asked for copies in `dtype`; no memory is taken before it is.
  void keep_as(at::ScalarType dtype) { dtype_ = dtype; }
  bool keeps(at::ScalarType dtype) const { return dtype_ == dtype; }

  // The weight in the kept type, outside of autograd; cast again, into the same memory, when the weight's version counter moved
  // or it is another weight. A writer that goes behind the counter's back has to move it (as distill/optim/optimizer.h does).
  const at::Tensor& of(const at::Tensor& weight);
  // Whether the copy has the weight's present values.
  bool is_current(const at::Tensor& weight) const;
  // For a writer of both: the copy, and the word that it has the weight's values again.
  const at::Tensor& copy() const { return copy_; }
  void set_current(const at::Tensor& weight);

 private:
  std::optional<at::ScalarType> dtype_;
  at::Tensor source_, copy_;
  uint32_t version_ = 0;
};

}  // namespace distill
