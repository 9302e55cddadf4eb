// Matrix products through the fastest that there is. On CPUs that are not Intel's, oneDNN beats MKL for float32 (both are inside
// LibTorch), and where they have AVX-512 a large product may run through a kernel of our own; everything else goes where ATen
// sends it. No autograd here; outputs are contiguous and given by the caller.
#pragma once

#include <ATen/core/TensorBody.h>

#include "distill/core/enum_names.h"

namespace distill::gemm {

// Who makes large float32 products on this CPU. Where nobody is known to be the fastest, the first large product on a machine
// measures them, which takes a tenth of a second; the answer is kept in the user's cache folder, so that all runs round alike.
enum class Maker { undecided, aten, onednn, packed };
Maker maker();
// False, and nothing changes, where this CPU or LibTorch cannot.
bool set_maker(Maker maker);
// The same for what a run began with, perhaps on another machine: false where others make the products here.
bool go_on_with(Maker maker);

// out_NM = a_NK b_KM. Same types on all three.
void mm_out(const at::Tensor& out_NM, const at::Tensor& a_NK, const at::Tensor& b_KM);
// Whether add_mm_ is as fast as a product of its own and a sum: not where oneDNN makes the products.
bool adds_for_free(const at::Tensor& out_NM, const at::Tensor& a_NK, const at::Tensor& b_KM);
// Rows that add_mm_ adds to at a time where it needs a product of its own (slabs, below).
inline constexpr int64_t kSlabRows = 16384;
// out_NM += a_NK b_KM. A wider `out` (float32 under float16 or bfloat16 factors) is added to by the product itself on CUDA
// (bfloat16: from sm_80 on), and in slabs of rows elsewhere, so that no temporary of its size appears.
void add_mm_(const at::Tensor& out_NM, const at::Tensor& a_NK, const at::Tensor& b_KM);

}  // namespace distill::gemm

namespace distill {

template <>
struct EnumNames<gemm::Maker> {
  static constexpr std::pair<gemm::Maker, std::string_view> kNames[] = {{gemm::Maker::undecided, "undecided"},
                                                                        {gemm::Maker::aten, "aten"},
                                                                        {gemm::Maker::onednn, "onednn"},
                                                                        {gemm::Maker::packed, "packed"}};
};

}  // namespace distill
