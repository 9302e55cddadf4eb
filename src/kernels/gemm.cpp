#include "distill/kernels/gemm.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "distill/tensor/usage.h"

// oneDNN's product with an output of the caller's: exported by LibTorch, declared in no public header. Weak: a LibTorch without
// it leaves a null address, and MKL serves.
namespace at::native {
__attribute__((weak)) void mkldnn_matmul(const Tensor& mat1, const Tensor& mat2, const Tensor& result, float beta, float alpha);
}

namespace distill::gemm {
namespace {

bool prefers_onednn() {
  static const bool answer = at::native::mkldnn_matmul != nullptr && !__builtin_cpu_is("intel") && __builtin_cpu_supports("avx2");
  return answer;
}

bool through_onednn(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  return out.is_cpu() && out.scalar_type() == at::kFloat && a.numel() > 0 && b.numel() > 0 && prefers_onednn();
}

// Whether a product of 16-bit factors can be added up in float32 by cuBLAS: torch offers that for bfloat16 from sm_80 on only.
bool adds_up_wide(const at::Tensor& sum, const at::Tensor& factor) {
  if (!sum.is_cuda() || sum.scalar_type() != at::kFloat) return false;
  return factor.scalar_type() == at::kHalf || compute_capability(sum.device()) >= 80;
}

}  // namespace

void mm_out(const at::Tensor& out_NM, const at::Tensor& a_NK, const at::Tensor& b_KM) {
  if (through_onednn(out_NM, a_NK, b_KM)) return at::native::mkldnn_matmul(a_NK, b_KM, out_NM, 0.f, 1.f);
  at::Tensor out = out_NM;
  at::mm_out(out, a_NK, b_KM);
}

bool adds_for_free(const at::Tensor& out) { return !(out.is_cpu() && out.scalar_type() == at::kFloat && prefers_onednn()); }

void add_mm_(const at::Tensor& out_NM, const at::Tensor& a_NK, const at::Tensor& b_KM) {
  if (out_NM.scalar_type() == a_NK.scalar_type()) {  // measured: for this shape MKL and oneDNN are equal
    at::Tensor out = out_NM;
    at::addmm_out(out, out, a_NK, b_KM);
    return;
  }
  if (adds_up_wide(out_NM, a_NK)) {
    at::Tensor out = out_NM;
    at::addmm_out(out, out, a_NK, b_KM, at::kFloat);
    return;
  }
  for (int64_t begin = 0; begin < out_NM.size(0); begin += kSlabRows) {
    const int64_t rows = std::min(kSlabRows, out_NM.size(0) - begin);
    out_NM.narrow(0, begin, rows).add_(at::mm(a_NK.narrow(0, begin, rows), b_KM));
  }
}

}  // namespace distill::gemm
