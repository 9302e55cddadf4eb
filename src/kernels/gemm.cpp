#include "distill/kernels/gemm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>

#include "distill/kernels/kept_choice.h"
#include "distill/tensor/usage.h"

#include "packed_gemm.h"

// oneDNN's product with an output of the caller's: exported by LibTorch, declared in no public header. Weak: a LibTorch without
// it leaves a null address, and MKL serves.
namespace at::native {
__attribute__((weak)) void mkldnn_matmul(const Tensor& mat1, const Tensor& mat2, const Tensor& result, float beta, float alpha);
}

namespace distill::gemm {
namespace {

bool has_onednn() { return at::native::mkldnn_matmul != nullptr && __builtin_cpu_supports("avx2"); }

// On Intel's own CPUs MKL is near what the cores can do, and nothing else is looked at.
bool prefers_onednn() {
  static const bool answer = has_onednn() && !__builtin_cpu_is("intel");
  return answer;
}

std::atomic<Maker> chosen{Maker::undecided};

bool is_large(const at::Tensor& out, const at::Tensor& a) {
  constexpr int64_t kLarge = int64_t{1} << 25;  // multiplications: about a millisecond
  return out.numel() * a.size(1) >= kLarge;
}

bool has_unit_stride(const at::Tensor& matrix) { return matrix.stride(0) == 1 || matrix.stride(1) == 1; }

// Packed panels want every number once, in lines.
bool fits_packed(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  return out.is_cpu() && out.scalar_type() == at::kFloat && a.scalar_type() == at::kFloat && is_large(out, a) &&
         out.stride(1) == 1 && has_unit_stride(a) && has_unit_stride(b);
}

void packed(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, bool adds) {
  multiply_packed({out.size(0),
                   out.size(1),
                   a.size(1),
                   {a.const_data_ptr<float>(), a.stride(0), a.stride(1)},
                   {b.const_data_ptr<float>(), b.stride(0), b.stride(1)},
                   out.mutable_data_ptr<float>(),
                   out.stride(0),
                   adds});
}

void through_onednn(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  at::native::mkldnn_matmul(a, b, out, 0.f, 1.f);
}

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A head of 8,192 ids over 256 rows, each way in turn, the best of five. Close calls stay with the library.
Maker measured() {
  constexpr double kClearly = 1.15;
  const at::Tensor rows = at::ones({256, 512}), head = at::ones({8192, 512}), out = at::empty({256, 8192});
  double library = 1e9, ours = 1e9;
  for (int round = 0; round < 5; ++round) {
    library = std::min(library, seconds_of([&] { through_onednn(out, rows, head.t()); }));
    ours = std::min(ours, seconds_of([&] { packed(out, rows, head.t(), /*adds=*/false); }));
  }
  return ours * kClearly < library ? Maker::packed : Maker::onednn;
}

Maker decided() {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  if (chosen == Maker::undecided)
    chosen = can_multiply_packed() ? kept_choice(choice_file(at::get_num_threads()), measured, Maker::onednn) : Maker::onednn;
  return chosen;
}

// Who makes this product: the choice holds for large ones, and small ones go where they always went.
Maker maker_for(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  if ((chosen != Maker::undecided || prefers_onednn()) && fits_packed(out, a, b)) return decided();
  const bool suits_onednn =
      out.is_cpu() && out.scalar_type() == at::kFloat && a.scalar_type() == at::kFloat && a.numel() > 0 && b.numel() > 0;
  return suits_onednn && prefers_onednn() ? Maker::onednn : Maker::aten;
}

// Whether a product of 16-bit factors can be added up in float32 by cuBLAS: torch offers that for bfloat16 from sm_80 on only.
bool adds_up_wide(const at::Tensor& sum, const at::Tensor& factor) {
  if (!sum.is_cuda() || sum.scalar_type() != at::kFloat) return false;
  return factor.scalar_type() == at::kHalf || compute_capability(sum.device()) >= 80;
}

}  // namespace

Maker maker() { return chosen == Maker::undecided && !prefers_onednn() ? Maker::aten : chosen.load(); }

bool go_on_with(Maker maker) {
  if (maker == Maker::undecided || maker == gemm::maker()) return true;
  return prefers_onednn() && maker != Maker::aten && set_maker(maker);
}

bool set_maker(Maker maker) {
  if ((maker == Maker::packed && !can_multiply_packed()) || (maker == Maker::onednn && !has_onednn())) return false;
  chosen = maker;
  return true;
}

void mm_out(const at::Tensor& out_NM, const at::Tensor& a_NK, const at::Tensor& b_KM) {
  const Maker maker = maker_for(out_NM, a_NK, b_KM);
  if (maker == Maker::packed) return packed(out_NM, a_NK, b_KM, /*adds=*/false);
  if (maker == Maker::onednn) return through_onednn(out_NM, a_NK, b_KM);
  at::Tensor out = out_NM;
  at::mm_out(out, a_NK, b_KM);
}

bool adds_for_free(const at::Tensor& out_NM, const at::Tensor& a_NK, const at::Tensor& b_KM) {
  return maker_for(out_NM, a_NK, b_KM) != Maker::onednn;
}

void add_mm_(const at::Tensor& out_NM, const at::Tensor& a_NK, const at::Tensor& b_KM) {
  if (maker_for(out_NM, a_NK, b_KM) == Maker::packed) return packed(out_NM, a_NK, b_KM, /*adds=*/true);
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
