// The float32 product of this project for CPUs with AVX-512: panels of both factors are packed so that the inner loop reads them
// in order, and a tile of the result stays in registers while it runs over the depth. For CPUs where neither MKL nor oneDNN comes
// near the arithmetic that the cores can do; distill/kernels/gemm.h says when it is taken.
// Source of the scheme: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008.
#pragma once

#include <cstdint>

namespace distill {

// Read-only; one of the strides is 1.
struct MatrixView {
  const float* data;
  int64_t row_stride, column_stride;
};

// out [rows, columns], rows `out_stride` apart, = (or += with `adds`) a [rows, depth] times b [depth, columns]. Runs on ATen's
// threads. The bits do not depend on their number.
struct PackedProduct {
  int64_t rows, columns, depth;
  MatrixView a, b;
  float* out;
  int64_t out_stride;
  bool adds;
};
bool can_multiply_packed();  // whether this CPU has the instructions
void multiply_packed(const PackedProduct& product);

// The inner loops (packed_gemm_avx512.cpp).
namespace avx512 {

constexpr int64_t kTileRows = 14, kTileColumns = 32;  // 28 registers of sums

// Lines of a factor: rows of a, or columns of b.
struct Lines {
  const float* data;
  int64_t line_stride, depth_stride;  // one of them is 1
  int64_t num_lines, depth;
};
// Floats between two panels of `width` lines each: depth-major, and room for a vector that is stored too far. Never a function of
// its own: one compiled for AVX-512 could be the copy that every caller gets.
__attribute__((always_inline)) inline int64_t panel_floats(int64_t width, int64_t depth) {
  return (width * depth + 2 + 15) / 16 * 16;
}
// Lines beyond the last become zeros.
void pack_rows(const Lines& lines, float* panels);
void pack_columns(const Lines& lines, float* panels);

// Panels from one of the functions above.
struct Panels {
  const float* data;
  int64_t num_lines;
};
// Takes `piece` numbers of the depth at a time, which keeps a panel of columns in the first cache.
void multiply_panels(const Panels& rows, const Panels& columns, int64_t depth, int64_t piece, float* out, int64_t out_stride,
                     bool adds);

}  // namespace avx512
}  // namespace distill
