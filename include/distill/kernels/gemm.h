// Matrix products through the faster library. On CPUs that are not Intel's, oneDNN beats MKL for float32 (both are inside
// LibTorch); everything else goes where ATen sends it. No autograd here; outputs are contiguous and given by the caller.
#pragma once

#include <ATen/core/TensorBody.h>

namespace distill::gemm {

// out_NM = a_NK b_KM. Same types on all three.
void mm_out(const at::Tensor& out_NM, const at::Tensor& a_NK, const at::Tensor& b_KM);
// Whether add_mm_ is as fast as a product of its own and a sum: not where oneDNN makes the products.
bool adds_for_free(const at::Tensor& out);
// Rows that add_mm_ adds to at a time where it needs a product of its own (slabs, below).
inline constexpr int64_t kSlabRows = 16384;
// out_NM += a_NK b_KM. A wider `out` (float32 under float16 or bfloat16 factors) is added to by the product itself on CUDA
// (bfloat16: from sm_80 on), and in slabs of rows elsewhere, so that no temporary of its size appears.
void add_mm_(const at::Tensor& out_NM, const at::Tensor& a_NK, const at::Tensor& b_KM);

}  // namespace distill::gemm
