// The inner loops of the packed product, for one instruction set. Written with the compiler's vector types; as in vector_lanes.h,
// nothing here may call an inline function of the standard library.
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#include "packed_gemm.h"

#pragma GCC diagnostic ignored "-Wpsabi"  // vectors never cross a call that is not inlined

namespace distill::avx512 {
namespace {

constexpr int kWidth = 16;
typedef float Floats __attribute__((vector_size(kWidth * 4)));
typedef float AnyFloats __attribute__((vector_size(kWidth * 4), aligned(4), may_alias));  // wherever they lie

inline Floats load(const float* from) { return *reinterpret_cast<const AnyFloats*>(from); }
inline void store(float* to, Floats values) { *reinterpret_cast<AnyFloats*>(to) = values; }
constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// The lower, or upper, halves of two vectors, number by number in turn.
#ifdef __clang__
inline Floats interleave_low(Floats a, Floats b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
inline Floats interleave_high(Floats a, Floats b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#else
typedef int32_t Places __attribute__((vector_size(kWidth * 4)));
inline Floats interleave_low(Floats a, Floats b) {
  return __builtin_shuffle(a, b, Places{0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23});
}
inline Floats interleave_high(Floats a, Floats b) {
  return __builtin_shuffle(a, b, Places{8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31});
}
#endif

// Sixteen vectors become their columns: interleaving each with the one eight further on, four times.
inline void transpose(Floats (&lines)[kWidth]) {
  for (int stage = 0; stage < 4; ++stage) {
    Floats mixed[kWidth];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      mixed[2 * i] = interleave_low(lines[i], lines[i + 8]);
      mixed[2 * i + 1] = interleave_high(lines[i], lines[i + 8]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) lines[i] = mixed[i];
  }
}

// One panel, number by number.
template <int64_t kLines>
void pack_slowly(const Lines& lines, int64_t begin, int64_t end, float* panel) {
  for (int64_t k = begin; k < end; ++k)
    for (int64_t i = 0; i < kLines; ++i)
      panel[k * kLines + i] = i < lines.num_lines ? lines.data[i * lines.line_stride + k * lines.depth_stride] : 0;
}

// One panel of lines that lie contiguous. A vector of sixteen is stored also where the panel is narrower: the next one writes
// over what is too much.
template <int64_t kLines>
void pack_transposing(const Lines& lines, float* panel) {
  const int64_t whole = lines.depth / kWidth * kWidth;
  for (int64_t k = 0; k < whole; k += kWidth)
    for (int64_t group = 0; group < kLines; group += kWidth) {
      Floats block[kWidth];
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i)
        block[i] =
            group + i < smaller(lines.num_lines, kLines) ? load(lines.data + (group + i) * lines.line_stride + k) : Floats{};
      transpose(block);
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i) store(panel + (k + i) * kLines + group, block[i]);
    }
  pack_slowly<kLines>(lines, whole, lines.depth, panel);
}

template <int64_t kLines>
void pack(const Lines& lines, float* panels) {
  const int64_t stride = panel_floats(kLines, lines.depth);
  if (lines.depth_stride == 1) {
    for (int64_t first = 0; first < lines.num_lines; first += kLines)
      pack_transposing<kLines>(
          {lines.data + first * lines.line_stride, lines.line_stride, 1, lines.num_lines - first, lines.depth},
          panels + first / kLines * stride);
    return;
  }
  // Numbers of one depth lie together: walks along them, through all panels that whole vectors can be read from.
  constexpr int64_t kTooFar = (kWidth - kLines % kWidth) % kWidth;
  const int64_t num_full = (lines.num_lines - smaller(lines.num_lines, kTooFar)) / kLines;
  for (int64_t k = 0; k < lines.depth; ++k)
    for (int64_t p = 0; p < num_full; ++p)
      for (int64_t group = 0; group < kLines; group += kWidth)
        store(panels + p * stride + k * kLines + group, load(lines.data + k * lines.depth_stride + p * kLines + group));
  for (int64_t first = num_full * kLines; first < lines.num_lines; first += kLines)
    pack_slowly<kLines>({lines.data + first, 1, lines.depth_stride, lines.num_lines - first, lines.depth}, 0, lines.depth,
                        panels + first / kLines * stride);
}

struct Out {
  float* data;
  int64_t stride;
  bool adds;
};

// kRows rows of a panel of rows times a whole panel of columns.
template <int kRows>
void tile(const float* rows, const float* columns, int64_t depth, const Out& out) {
  Floats left[kRows], right[kRows];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    left[i] = right[i] = Floats{};
    __builtin_prefetch(out.data + i * out.stride, 1);
    __builtin_prefetch(out.data + i * out.stride + kWidth, 1);
  }
  for (int64_t k = 0; k < depth; ++k, rows += kTileRows, columns += kTileColumns) {
    const Floats first = load(columns), second = load(columns + kWidth);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Floats factor = rows[i] - Floats{};
      left[i] += factor * first;
      right[i] += factor * second;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    float* const to = out.data + i * out.stride;
    store(to, out.adds ? load(to) + left[i] : left[i]);
    store(to + kWidth, out.adds ? load(to + kWidth) + right[i] : right[i]);
  }
}

using Tile = void (*)(const float*, const float*, int64_t, const Out&);
constexpr Tile kTiles[kTileRows] = {tile<1>, tile<2>, tile<3>,  tile<4>,  tile<5>,  tile<6>,  tile<7>,
                                    tile<8>, tile<9>, tile<10>, tile<11>, tile<12>, tile<13>, tile<14>};

// Where the panel of columns is not full: through a buffer.
void narrow_tile(int64_t num_rows, int64_t num_columns, const float* rows, const float* columns, int64_t depth, const Out& out) {
  alignas(64) float buffer[kTileRows * kTileColumns];
  kTiles[num_rows - 1](rows, columns, depth, {buffer, kTileColumns, false});
  for (int64_t i = 0; i < num_rows; ++i)
    for (int64_t j = 0; j < num_columns; ++j) {
      float& to = out.data[i * out.stride + j];
      to = (out.adds ? to : 0) + buffer[i * kTileColumns + j];
    }
}

}  // namespace

void pack_rows(const Lines& lines, float* panels) { pack<kTileRows>(lines, panels); }
void pack_columns(const Lines& lines, float* panels) { pack<kTileColumns>(lines, panels); }

void multiply_panels(const Panels& rows, const Panels& columns, int64_t depth, int64_t piece, float* out, int64_t out_stride,
                     bool adds) {
  const int64_t row_panel = panel_floats(kTileRows, depth), column_panel = panel_floats(kTileColumns, depth);
  for (int64_t column = 0; column < columns.num_lines; column += kTileColumns)
    for (int64_t k = 0; k < depth; k += piece)
      for (int64_t row = 0; row < rows.num_lines; row += kTileRows) {
        const int64_t num_rows = smaller(kTileRows, rows.num_lines - row);
        const int64_t num_columns = smaller(kTileColumns, columns.num_lines - column);
        const float* const a = rows.data + row / kTileRows * row_panel + k * kTileRows;
        const float* const b = columns.data + column / kTileColumns * column_panel + k * kTileColumns;
        const Out to{out + row * out_stride + column, out_stride, adds || k > 0};
        if (num_columns == kTileColumns)
          kTiles[num_rows - 1](a, b, smaller(piece, depth - k), to);
        else
          narrow_tile(num_rows, num_columns, a, b, smaller(piece, depth - k), to);
      }
}

}  // namespace distill::avx512
