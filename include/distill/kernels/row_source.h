// One side of the logits terms: something that can write the logits of any stretch of kept rows into a buffer. A head over
// hidden rows is one; stored top-k rows can be another.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>

namespace distill {

// An output projection as the kernels see it.
struct LinearHead {
  at::Tensor weight_VD;   // undefined for an identity
  at::Tensor bias_V;      // undefined when there is none
  double soft_cap = 0;    // 0 = none; else logits = cap * tanh(logits / cap)
  bool identity = false;  // the rows are logits already, at least as wide as the vocabulary
};

class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual int64_t num_rows() const = 0;
  virtual int64_t vocab_size() const = 0;
  // Fills `logits_CV` with the rows begin .. begin + C - 1, in its own type and width.
  virtual void write_logits(int64_t begin, const at::Tensor& logits_CV) const = 0;
};

// Rows of hidden states times a head. `rows_ND` and the head share one type, that of the logits; a head that is wider than
// the logits is read up to their width.
class HeadRows : public RowSource {
 public:
  HeadRows(at::Tensor rows_ND, LinearHead head);
  int64_t num_rows() const override { return rows_ND_.size(0); }
  int64_t vocab_size() const override { return head_.identity ? rows_ND_.size(1) : head_.weight_VD.size(0); }
  void write_logits(int64_t begin, const at::Tensor& logits_CV) const override;

 private:
  at::Tensor rows_ND_;
  LinearHead head_;
};

// The head in another type. The copy's memory is kept; the cast of a frozen head is kept too, that of a trained one is made at
// every call.
class HeadCast {
 public:
  LinearHead get(const LinearHead& head, at::ScalarType dtype);

 private:
  at::Tensor source_VD_, cast_VD_;
  uint32_t version_ = 0;
};

}  // namespace distill
