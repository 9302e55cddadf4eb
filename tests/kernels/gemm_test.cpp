// Matrix products through the faster library: right for every layout, type and size that callers use.
#include "distill/kernels/gemm.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

using namespace distill;

namespace {

double relative_gap(const at::Tensor& found, const at::Tensor& expected) {
  if (expected.numel() == 0) return 0;
  const at::Tensor wide = expected.to(at::kDouble);
  return ((found.to(at::kDouble) - wide).abs().max() / wide.abs().max().clamp_min(1e-30)).item<double>();
}

double tolerance(at::ScalarType dtype) {
  return dtype == at::kDouble ? 1e-13 : dtype == at::kFloat ? 1e-5 : dtype == at::kHalf ? 5e-3 : 3e-2;
}

// A matrix whose rows or columns are contiguous.
at::Tensor matrix(int64_t rows, int64_t columns, bool transposed, at::ScalarType dtype) {
  return transposed ? at::randn({columns, rows}).to(dtype).t() : at::randn({rows, columns}).to(dtype);
}

TEST(Gemm, EqualsFloat64ForEveryLayoutTypeAndSize) {
  at::manual_seed(1);
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16})
    for (const bool left : {false, true})
      for (const bool right : {false, true})
        for (const auto& [n, k, m] :
             {std::tuple{1, 1, 1}, {3, 1, 5}, {1, 7, 1}, {33, 17, 129}, {64, 100, 1}, {0, 3, 4}, {4, 3, 0}}) {
          const at::Tensor a = matrix(n, k, left, dtype), b = matrix(k, m, right, dtype);
          const at::Tensor exact = a.to(at::kDouble).matmul(b.to(at::kDouble)), out = at::empty({n, m}, dtype);
          gemm::mm_out(out, a, b);
          EXPECT_LT(relative_gap(out, exact), tolerance(dtype)) << dtype << " " << n << " " << k << " " << m;
          const at::Tensor sum = at::ones({n, m}, dtype);
          gemm::add_mm_(sum, a, b);
          EXPECT_LT(relative_gap(sum, exact + 1), tolerance(dtype)) << dtype << " " << n << " " << k << " " << m;
        }
}

TEST(Gemm, ReadsPartsOfLargerMatrices) {
  const at::Tensor large = at::randn({40, 50}), weight = at::randn({60, 20});
  const at::Tensor a = large.narrow(1, 7, 20).narrow(0, 3, 30), b = weight.narrow(0, 5, 31).t(), out = at::empty({30, 31});
  gemm::mm_out(out, a, b);
  EXPECT_LT(relative_gap(out, a.to(at::kDouble).matmul(b.to(at::kDouble))), 1e-5);
}

TEST(Gemm, AddsNarrowProductsToWideSumsAcrossSlabs) {
  const at::Tensor a = at::randn({40000, 3}).to(at::kBFloat16), b = at::randn({3, 5}).to(at::kBFloat16),
                   sum = at::ones({40000, 5});
  gemm::add_mm_(sum, a, b);
  EXPECT_LT(relative_gap(sum, a.to(at::kDouble).matmul(b.to(at::kDouble)) + 1), 1e-2);
}

TEST(Gemm, NothingToSumOverGivesZeros) {
  const at::Tensor out = at::ones({2, 3});
  gemm::mm_out(out, at::empty({2, 0}), at::empty({0, 3}));
  EXPECT_EQ(out.abs().max().item<float>(), 0);
}

}  // namespace
