// Matrix products through the faster library: right for every layout, type and size that callers use.
#include "distill/kernels/gemm.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <filesystem>
#include <fstream>

#include "distill/kernels/kept_choice.h"

using namespace distill;
using gemm::Maker;

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

// Large products through a maker of the test's choice; afterwards as before.
class MadeBy {
 public:
  explicit MadeBy(gemm::Maker maker) : before_(gemm::maker()), possible_(gemm::set_maker(maker)) {}
  ~MadeBy() { gemm::set_maker(before_); }
  bool possible() const { return possible_; }

 private:
  gemm::Maker before_;
  bool possible_;
};

struct Shape {
  int64_t rows, depth, columns;
};

// Above the size from which products are large, below and above what is packed at a time, and with every kind of rest.
constexpr Shape kLargeShapes[] = {{256, 512, 1000}, {1000, 512, 257}, {31, 1100, 1033}, {1033, 40, 1000},
                                  {513, 513, 513},  {14, 2000, 2000}, {2000, 2000, 9},  {700, 1600, 33}};

TEST(PackedGemm, EqualsFloat64ForEveryLayoutAndRest) {
  const MadeBy packed(gemm::Maker::packed);
  if (!packed.possible()) GTEST_SKIP() << "this CPU has no AVX-512";
  at::manual_seed(2);
  for (const bool left : {false, true})
    for (const bool right : {false, true})
      for (const Shape& shape : kLargeShapes) {
        const at::Tensor a = matrix(shape.rows, shape.depth, left, at::kFloat),
                         b = matrix(shape.depth, shape.columns, right, at::kFloat);
        const at::Tensor exact = a.to(at::kDouble).matmul(b.to(at::kDouble)), out = at::full({shape.rows, shape.columns}, NAN);
        gemm::mm_out(out, a, b);
        EXPECT_LT(relative_gap(out, exact), 2e-6) << shape.rows << " " << shape.depth << " " << shape.columns;
        gemm::add_mm_(out, a, b);
        EXPECT_LT(relative_gap(out, 2 * exact), 2e-6) << shape.rows << " " << shape.depth << " " << shape.columns;
        EXPECT_TRUE(gemm::adds_for_free(out, a, b));
      }
}

TEST(PackedGemm, CutsADeepProductInSlices) {
  const MadeBy packed(gemm::Maker::packed);
  if (!packed.possible()) GTEST_SKIP() << "this CPU has no AVX-512";
  const at::Tensor a = at::randn({60, 20011}), b = at::randn({20011, 75}), out = at::ones({60, 75});
  const at::Tensor exact = a.to(at::kDouble).matmul(b.to(at::kDouble));
  gemm::add_mm_(out, a, b);
  EXPECT_LT(relative_gap(out, exact + 1), 2e-6);
  gemm::mm_out(out, a, b);
  EXPECT_LT(relative_gap(out, exact), 2e-6);
}

TEST(PackedGemm, TouchesNothingBesideItsPartsOfLargerMatrices) {
  const MadeBy packed(gemm::Maker::packed);
  if (!packed.possible()) GTEST_SKIP() << "this CPU has no AVX-512";
  for (const bool transposed : {false, true}) {
    // Not-a-number all around: whatever is read or written too far shows.
    const auto inside = [&](int64_t rows, int64_t columns) {
      const at::Tensor whole = at::full({rows + 3, columns + 5}, NAN);
      const at::Tensor part = whole.narrow(0, 1, rows).narrow(1, 2, columns);
      part.normal_();
      return std::pair{whole, part};
    };
    const auto a = inside(transposed ? 700 : 301, transposed ? 301 : 700),
               b = inside(transposed ? 203 : 700, transposed ? 700 : 203), out = inside(301, 203);
    const at::Tensor left = transposed ? a.second.t() : a.second, right = transposed ? b.second.t() : b.second;
    gemm::mm_out(out.second, left, right);
    EXPECT_LT(relative_gap(out.second, left.to(at::kDouble).matmul(right.to(at::kDouble))), 2e-6);
    EXPECT_EQ(out.first.isnan().sum().item<int64_t>(), out.first.numel() - out.second.numel());
  }
}

TEST(PackedGemm, TheBitsDoNotDependOnTheNumberOfThreads) {
  const MadeBy packed(gemm::Maker::packed);
  if (!packed.possible()) GTEST_SKIP() << "this CPU has no AVX-512";
  const int threads = at::get_num_threads();
  for (const Shape& shape : {Shape{301, 700, 203}, Shape{60, 20011, 75}}) {
    const at::Tensor a = at::randn({shape.rows, shape.depth}), b = at::randn({shape.depth, shape.columns});
    const at::Tensor one = at::empty({shape.rows, shape.columns}), many = at::empty_like(one);
    at::set_num_threads(1);
    gemm::mm_out(one, a, b);
    at::set_num_threads(3);
    gemm::mm_out(many, a, b);
    EXPECT_TRUE(at::equal(one, many));
  }
  at::set_num_threads(threads);
}

TEST(PackedGemm, HandsNotANumberOn) {
  const MadeBy packed(gemm::Maker::packed);
  if (!packed.possible()) GTEST_SKIP() << "this CPU has no AVX-512";
  const at::Tensor a = at::randn({256, 512}), b = at::randn({512, 512}), out = at::empty({256, 512});
  a[7][300].fill_(NAN);
  gemm::mm_out(out, a, b);
  EXPECT_TRUE(out[7].isnan().all().item<bool>());
  EXPECT_EQ(out.isnan().sum().item<int64_t>(), 512);
}

TEST(GemmMaker, IsMeasuredOnceForAMachine) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / ("choice_" + std::to_string(getpid())),
                              file = folder / "below" / "products";
  int measured = 0;
  const auto measure = [&] { return ++measured, Maker::packed; };
  EXPECT_EQ(gemm::kept_choice(file, measure, Maker::onednn), Maker::packed);
  EXPECT_EQ(gemm::kept_choice(file, measure, Maker::onednn), Maker::packed);
  EXPECT_EQ(measured, 1);
  std::ofstream(file) << "noise";
  EXPECT_EQ(gemm::kept_choice(file, measure, Maker::onednn), Maker::packed);
  EXPECT_EQ(measured, 2);
  // Another process was first.
  std::filesystem::remove(file);
  const auto late = [&] {
    std::ofstream(file) << "onednn";
    return Maker::packed;
  };
  EXPECT_EQ(gemm::kept_choice(file, late, Maker::aten), Maker::onednn);
  // Where nothing can be kept, nothing is measured.
  EXPECT_EQ(gemm::kept_choice("/proc/nowhere/products", measure, Maker::onednn), Maker::onednn);
  EXPECT_EQ(gemm::kept_choice({}, measure, Maker::onednn), Maker::onednn);
  EXPECT_EQ(measured, 2);
  std::filesystem::remove_all(folder);
}

TEST(GemmMaker, ARunGoesOnWithItsOwnWhereThatMakesProductsHereToo) {
  const MadeBy anyone(Maker::undecided);
  EXPECT_TRUE(gemm::go_on_with(Maker::undecided));
  if (__builtin_cpu_is("intel")) {
    EXPECT_TRUE(gemm::go_on_with(Maker::aten));
    EXPECT_FALSE(gemm::go_on_with(Maker::packed));
    EXPECT_EQ(gemm::maker(), Maker::aten);
  } else {
    EXPECT_FALSE(gemm::go_on_with(Maker::aten));
    EXPECT_EQ(gemm::go_on_with(Maker::onednn), gemm::maker() == Maker::onednn);
  }
}

TEST(GemmMaker, IsDecidedByTheFirstLargeProductAndKeptAfterwards) {
  const MadeBy anyone(gemm::Maker::undecided);
  const at::Tensor a = at::randn({256, 512}), b = at::randn({512, 512}), out = at::empty({256, 512});
  gemm::mm_out(at::empty({2, 2}), at::ones({2, 2}), at::ones({2, 2}));
  const bool is_intel = __builtin_cpu_is("intel");  // has no choice to make
  EXPECT_EQ(gemm::maker(), is_intel ? Maker::aten : Maker::undecided);
  gemm::mm_out(out, a, b);
  EXPECT_EQ(gemm::maker() == Maker::aten, is_intel);
  EXPECT_NE(gemm::maker(), Maker::undecided);
  const at::Tensor again = at::empty_like(out);
  gemm::mm_out(again, a, b);
  EXPECT_TRUE(at::equal(out, again));
}

}  // namespace
