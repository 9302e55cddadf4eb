#include "distill/tensor/summary.h"

#include <ATen/ops/isfinite.h>

#include <algorithm>

namespace distill {
namespace {
constexpr int64_t kPiece = int64_t{1} << 20;
}

int64_t count_non_finite(const at::Tensor& tensor) {
  if (!tensor.is_floating_point() && !tensor.is_complex()) return 0;
  const at::Tensor flat = tensor.detach().reshape(-1);
  const bool small_type = tensor.element_size() == 1;  // torch compares no 8-bit floats
  int64_t finite = 0;
  for (int64_t begin = 0; begin < flat.numel(); begin += kPiece) {
    const at::Tensor piece = flat.narrow(0, begin, std::min(kPiece, flat.numel() - begin));
    finite += at::isfinite(small_type ? piece.to(at::kFloat) : piece).sum().item<int64_t>();
  }
  return flat.numel() - finite;
}

}  // namespace distill
