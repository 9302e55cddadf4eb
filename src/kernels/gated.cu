// Gated products on CUDA: one thread per element.
#include "cuda_elements.h"
#include "gated_cuda.h"
#include "gated_math.h"

namespace distill {
namespace {

struct DeviceMath {
  __device__ static float exp(float x) { return ::expf(x); }
  __device__ static double exp(double x) { return ::exp(x); }
  __device__ static float tanh(float x) { return ::tanhf(x); }
  __device__ static double tanh(double x) { return ::tanh(x); }
  __device__ static float normal_cdf(float x, float) { return ::normcdff(x); }
  __device__ static double normal_cdf(double x, double) { return ::normcdf(x); }
};

template <class Real>
__global__ void gated_forward_kernel(GatedRows rows, Sink product) {
  const int64_t count = rows.num_rows * rows.num_columns;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < count; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t row = i / rows.num_columns, column = i % rows.num_columns;
    const Real gate = read<Real>(rows.gate, row * rows.gate_stride + column);
    write(product, i, activated<DeviceMath>(rows.kind, gate).value * read<Real>(rows.up, row * rows.up_stride + column));
  }
}

template <class Real>
__global__ void gated_backward_kernel(GatedRows rows, Source gradient, Sink gate_gradient, Sink up_gradient) {
  const int64_t count = rows.num_rows * rows.num_columns;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < count; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t row = i / rows.num_columns, column = i % rows.num_columns;
    const auto gate = activated<DeviceMath>(rows.kind, read<Real>(rows.gate, row * rows.gate_stride + column));
    const Real g = read<Real>(gradient, i);
    write(gate_gradient, i, g * read<Real>(rows.up, row * rows.up_stride + column) * gate.slope);
    write(up_gradient, i, g * gate.value);
  }
}

}  // namespace

int launch_gated_forward(const GatedRows& rows, Sink product, void* stream) {
  const int64_t count = rows.num_rows * rows.num_columns;
  if (count == 0) return 0;
  const auto on = static_cast<cudaStream_t>(stream);
  if (rows.gate.type == ElementType::f64) {
    gated_forward_kernel<double><<<blocks_for(count, 256), 256, 0, on>>>(rows, product);
  } else {
    gated_forward_kernel<float><<<blocks_for(count, 256), 256, 0, on>>>(rows, product);
  }
  return static_cast<int>(cudaGetLastError());
}

int launch_gated_backward(const GatedRows& rows, Source gradient, Sink gate_gradient, Sink up_gradient, void* stream) {
  const int64_t count = rows.num_rows * rows.num_columns;
  if (count == 0) return 0;
  const auto on = static_cast<cudaStream_t>(stream);
  if (rows.gate.type == ElementType::f64) {
    gated_backward_kernel<double><<<blocks_for(count, 256), 256, 0, on>>>(rows, gradient, gate_gradient, up_gradient);
  } else {
    gated_backward_kernel<float><<<blocks_for(count, 256), 256, 0, on>>>(rows, gradient, gate_gradient, up_gradient);
  }
  return static_cast<int>(cudaGetLastError());
}

}  // namespace distill
