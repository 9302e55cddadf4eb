// Norms on CUDA. A row of up to 1,024 numbers belongs to one warp, a longer one to a block; sums over rows go column by column
// in a fixed order, so that gradients of weights have the same bits in every run.
#include "cuda_elements.h"
#include "row_norm_cuda.h"
#include "row_norm_math.h"

namespace distill {
namespace {

constexpr int kThreads = 256;

template <class Real>
__device__ __forceinline__ Real weight_at(const NormRows& rows, int64_t i) {
  return read<Real>(rows.weight, i) + (rows.plus_one ? Real(1) : Real(0));
}

__device__ __forceinline__ float inverse_root(float x) { return 1.0f / sqrtf(x); }
__device__ __forceinline__ double inverse_root(double x) { return 1.0 / sqrt(x); }

template <int kLanes, class Real>
__global__ void __launch_bounds__(kThreads) norm_forward_kernel(NormRows rows, Sink y) {
  const int lane = threadIdx.x % kLanes;
  const int64_t row = blockIdx.x * int64_t(kThreads / kLanes) + threadIdx.x / kLanes, first = row * rows.size;
  if (row >= rows.num_rows) return;  // whole warps, or whole blocks
  const Real count = static_cast<Real>(rows.size);
  Real mean = 0, squares = 0;
  if (rows.mean) {
    for (int64_t i = lane; i < rows.size; i += kLanes) mean += read<Real>(rows.x, first + i);
    mean = row_sum<kLanes>(mean) / count;
  }
  for (int64_t i = lane; i < rows.size; i += kLanes) {
    const Real x = read<Real>(rows.x, first + i) - mean;
    squares += x * x;
  }
  const Real rstd = inverse_root(row_sum<kLanes>(squares) / count + static_cast<Real>(rows.eps));
  for (int64_t i = lane; i < rows.size; i += kLanes) {
    const Real bias = rows.bias.data ? read<Real>(rows.bias, i) : Real(0);
    write(y, first + i, normed(read<Real>(rows.x, first + i), mean, rstd, weight_at<Real>(rows, i), bias));
  }
  if (lane != 0) return;
  static_cast<Real*>(rows.rstd)[row] = rstd;
  if (rows.mean) static_cast<Real*>(rows.mean)[row] = mean;
}

template <int kLanes, class Real>
__global__ void __launch_bounds__(kThreads) norm_input_kernel(NormRows rows, Source gradient, Sink dx) {
  const int lane = threadIdx.x % kLanes;
  const int64_t row = blockIdx.x * int64_t(kThreads / kLanes) + threadIdx.x / kLanes, first = row * rows.size;
  if (row >= rows.num_rows) return;
  NormPull<Real> pull{};
  pull.rstd = static_cast<const Real*>(rows.rstd)[row];
  if (rows.mean) pull.mean = static_cast<const Real*>(rows.mean)[row];
  Real along_one = 0, along_unit = 0;
  for (int64_t i = lane; i < rows.size; i += kLanes) {
    const Real weighted = read<Real>(gradient, first + i) * weight_at<Real>(rows, i);
    along_one += weighted;
    along_unit += weighted * (read<Real>(rows.x, first + i) - pull.mean) * pull.rstd;
  }
  const Real count = static_cast<Real>(rows.size);
  if (rows.mean) pull.along_one = row_sum<kLanes>(along_one) / count;
  pull.along_unit = row_sum<kLanes>(along_unit) / count;
  for (int64_t i = lane; i < rows.size; i += kLanes)
    write(dx, first + i,
          normed_gradient(read<Real>(rows.x, first + i), weight_at<Real>(rows, i), read<Real>(gradient, first + i), pull));
}

constexpr int kColumns = 32, kRowLanes = 8;

// Block (c, p): 32 columns of part p of the rows.
template <class Real>
__global__ void __launch_bounds__(kColumns* kRowLanes)
    norm_weight_kernel(NormRows rows, Source gradient, Sink weight_parts, Sink bias_parts) {
  __shared__ Real weight_sums[kRowLanes][kColumns], bias_sums[kRowLanes][kColumns];
  const int64_t column = blockIdx.x * int64_t(kColumns) + threadIdx.x, part = blockIdx.y;
  const int64_t share = (rows.num_rows + gridDim.y - 1) / gridDim.y;
  const int64_t end = (part + 1) * share < rows.num_rows ? (part + 1) * share : rows.num_rows;
  Real weight_sum = 0, bias_sum = 0;
  for (int64_t row = part * share + threadIdx.y; column < rows.size && row < end; row += kRowLanes) {
    const Real mean = rows.mean ? static_cast<const Real*>(rows.mean)[row] : Real(0);
    const Real g = read<Real>(gradient, row * rows.size + column);
    weight_sum += g * (read<Real>(rows.x, row * rows.size + column) - mean) * static_cast<const Real*>(rows.rstd)[row];
    bias_sum += g;
  }
  weight_sums[threadIdx.y][threadIdx.x] = weight_sum;
  bias_sums[threadIdx.y][threadIdx.x] = bias_sum;
  __syncthreads();
  if (threadIdx.y != 0 || column >= rows.size) return;
  for (int lane = 1; lane < kRowLanes; ++lane) {
    weight_sum += weight_sums[lane][threadIdx.x];
    bias_sum += bias_sums[lane][threadIdx.x];
  }
  if (weight_parts.data) write(weight_parts, part * rows.size + column, weight_sum);
  if (bias_parts.data) write(bias_parts, part * rows.size + column, bias_sum);
}

template <class Real>
void forward(const NormRows& rows, Sink y, cudaStream_t stream) {
  if (rows.size <= 1024) {
    norm_forward_kernel<32, Real><<<static_cast<unsigned>((rows.num_rows + 7) / 8), kThreads, 0, stream>>>(rows, y);
  } else {
    norm_forward_kernel<kThreads, Real><<<static_cast<unsigned>(rows.num_rows), kThreads, 0, stream>>>(rows, y);
  }
}

template <class Real>
void backward(const NormRows& rows, Source gradient, Sink dx, Sink weight_parts, Sink bias_parts, int64_t num_parts,
              cudaStream_t stream) {
  if (dx.data && rows.size <= 1024) {
    norm_input_kernel<32, Real><<<static_cast<unsigned>((rows.num_rows + 7) / 8), kThreads, 0, stream>>>(rows, gradient, dx);
  } else if (dx.data) {
    norm_input_kernel<kThreads, Real><<<static_cast<unsigned>(rows.num_rows), kThreads, 0, stream>>>(rows, gradient, dx);
  }
  if (!weight_parts.data && !bias_parts.data) return;
  const dim3 grid(static_cast<unsigned>((rows.size + kColumns - 1) / kColumns), static_cast<unsigned>(num_parts));
  norm_weight_kernel<Real><<<grid, dim3(kColumns, kRowLanes), 0, stream>>>(rows, gradient, weight_parts, bias_parts);
}

}  // namespace

int launch_norm_forward(const NormRows& rows, Sink y, void* stream) {
  if (rows.num_rows == 0) return 0;
  const auto on = static_cast<cudaStream_t>(stream);
  rows.wide ? forward<double>(rows, y, on) : forward<float>(rows, y, on);
  return static_cast<int>(cudaGetLastError());
}

int launch_norm_backward(const NormRows& rows, Source gradient, Sink dx, Sink weight_parts, Sink bias_parts, int64_t num_parts,
                         void* stream) {
  if (rows.num_rows == 0) return 0;
  const auto on = static_cast<cudaStream_t>(stream);
  rows.wide ? backward<double>(rows, gradient, dx, weight_parts, bias_parts, num_parts, on)
            : backward<float>(rows, gradient, dx, weight_parts, bias_parts, num_parts, on);
  return static_cast<int>(cudaGetLastError());
}

}  // namespace distill
