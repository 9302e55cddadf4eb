// How a packed product is cut: what lies packed for all threads, what streams past it, and what a thread does at a time.
#include "packed_gemm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

namespace distill {
namespace {

using avx512::kTileColumns;
using avx512::kTileRows;
using avx512::Lines;
using avx512::panel_floats;

// Sizes in floats and lines for a second cache of 1 MB and a first one of 32 KB.
constexpr int64_t kPackedFloats = 192 * 1024;  // of the factor that stays
constexpr int64_t kMostLines = 512, kMostDepth = 768;
constexpr int64_t kPiece = 224;        // of the depth, between two visits of the result
constexpr int64_t kStreamLines = 256;  // packed and used up by one thread
// A product that is much deeper than its result is wide is cut along the depth; the parts are added up in order.
constexpr int64_t kSlices = 16, kDeep = 16384, kMostSliced = 1 << 19;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
// The smallest even share of `total` that needs no more than `most` at a time, in whole units.
int64_t even_share(int64_t total, int64_t most, int64_t unit) {
  return std::min(total, ceil_div(ceil_div(total, ceil_div(total, most)), unit) * unit);
}

// The two factors in one light: lines of the depth, and how they are packed.
struct Side {
  Lines lines;
  int64_t tile;
  void (*pack)(const Lines&, float*);

  int64_t num_panels(int64_t num_lines) const { return ceil_div(num_lines, tile); }
  Lines part(int64_t line, int64_t num_lines, int64_t depth, int64_t num_depth) const {
    return {lines.data + line * lines.line_stride + depth * lines.depth_stride, lines.line_stride, lines.depth_stride, num_lines,
            num_depth};
  }
};

Side rows_of(const PackedProduct& product) {
  return {
      {product.a.data, product.a.row_stride, product.a.column_stride, product.rows, product.depth}, kTileRows, avx512::pack_rows};
}

Side columns_of(const PackedProduct& product) {
  return {{product.b.data, product.b.column_stride, product.b.row_stride, product.columns, product.depth},
          kTileColumns,
          avx512::pack_columns};
}

template <class Work>
void over(int64_t count, bool threads, const Work& work) {
  if (threads)
    at::parallel_for(0, count, 1, work);
  else
    work(0, count);
}

at::Tensor panels_for(const Side& side, int64_t num_lines, int64_t depth) {
  return at::empty({side.num_panels(num_lines) * panel_floats(side.tile, depth)}, at::kFloat);
}

// The shorter side's lines lie packed, and the longer one's stream past them.
void multiply_cut(const PackedProduct& product, bool threads) {
  const Side rows = rows_of(product), columns = columns_of(product);
  const bool rows_stay = product.columns >= product.rows;
  const Side &stays = rows_stay ? rows : columns, &streams = rows_stay ? columns : rows;
  const int64_t share = even_share(stays.lines.num_lines, kMostLines, stays.tile);
  const int64_t depth_share = even_share(product.depth, std::clamp(kPackedFloats / share, kPiece, kMostDepth), 16);
  const int64_t piece = even_share(depth_share, kPiece, 16);
  for (int64_t k = 0; k < product.depth; k += depth_share)
    for (int64_t first = 0; first < stays.lines.num_lines; first += share) {
      const int64_t depth = std::min(depth_share, product.depth - k), count = std::min(share, stays.lines.num_lines - first);
      const at::Tensor packed = panels_for(stays, count, depth);
      float* const stay = packed.mutable_data_ptr<float>();
      over(stays.num_panels(count), threads, [&](int64_t begin, int64_t end) {
        const int64_t line = begin * stays.tile, num_lines = std::min(count, end * stays.tile) - line;
        stays.pack(stays.part(first + line, num_lines, k, depth), stay + begin * panel_floats(stays.tile, depth));
      });
      over(streams.num_panels(streams.lines.num_lines), threads, [&](int64_t begin, int64_t end) {
        const int64_t group = ceil_div(kStreamLines, streams.tile) * streams.tile;
        const at::Tensor buffer = panels_for(streams, group, depth);
        float* const stream = buffer.mutable_data_ptr<float>();
        const int64_t last = std::min(streams.lines.num_lines, end * streams.tile);
        for (int64_t line = begin * streams.tile; line < last; line += group) {
          const int64_t num_lines = std::min(group, last - line);
          streams.pack(streams.part(line, num_lines, k, depth), stream);
          const avx512::Panels held{stay, count}, passing{stream, num_lines};
          float* const out = product.out + (rows_stay ? first : line) * product.out_stride + (rows_stay ? line : first);
          avx512::multiply_panels(rows_stay ? held : passing, rows_stay ? passing : held, depth, piece, out, product.out_stride,
                                  product.adds || k > 0);
        }
      });
    }
}

void multiply_sliced(const PackedProduct& product) {
  const int64_t length = ceil_div(ceil_div(product.depth, kSlices), 64) * 64, count = ceil_div(product.depth, length);
  const int64_t size = product.rows * product.columns;
  const at::Tensor parts = at::empty({count * size}, at::kFloat);
  float* const part = parts.mutable_data_ptr<float>();
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      PackedProduct slice = product;
      slice.depth = std::min(length, product.depth - i * length);
      slice.a.data += i * length * product.a.column_stride;
      slice.b.data += i * length * product.b.row_stride;
      slice.out = part + i * size;
      slice.out_stride = product.columns;
      slice.adds = false;
      multiply_cut(slice, /*threads=*/false);
    }
  });
  at::parallel_for(0, product.rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t column = 0; column < product.columns; ++column) {
        float& to = product.out[row * product.out_stride + column];
        float sum = product.adds ? to : 0;
        for (int64_t i = 0; i < count; ++i) sum += part[i * size + row * product.columns + column];
        to = sum;
      }
  });
}

}  // namespace

bool can_multiply_packed() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
}

void multiply_packed(const PackedProduct& product) {
  const int64_t size = product.rows * product.columns;
  const bool is_deep = product.depth >= kDeep && product.depth >= 16 * std::max(product.rows, product.columns);
  if (is_deep && size <= kMostSliced)
    multiply_sliced(product);
  else
    multiply_cut(product, /*threads=*/true);
}

}  // namespace distill
