// Keyed dropout on CUDA: one thread per element, the same hash as on the CPU.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "dropout_cuda.h"
#include "dropout_hash.h"

namespace distill {
namespace {

__device__ inline float widen(__half value) { return __half2float(value); }
__device__ inline float widen(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ inline float widen(float value) { return value; }
__device__ inline double widen(double value) { return value; }
__device__ inline void narrow(float value, __half* to) { *to = __float2half(value); }
__device__ inline void narrow(float value, __nv_bfloat16* to) { *to = __float2bfloat16(value); }
__device__ inline void narrow(float value, float* to) { *to = value; }
__device__ inline void narrow(double value, double* to) { *to = value; }

template <class Scalar, class Factor>
__global__ void keyed_dropout_kernel(const Scalar* x, Scalar* y, DropoutShape shape, const int64_t* row_keys, uint64_t noise_key,
                                     uint64_t site, uint64_t threshold, Factor factor) {
  const int64_t per_row = shape.planes * shape.rows * shape.columns, count = shape.batch * per_row;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < count; i += int64_t(gridDim.x) * blockDim.x) {
    const uint64_t key = dropout_row_key(noise_key, static_cast<uint64_t>(row_keys[i / per_row]), site);
    const int64_t within = i % per_row;
    const uint64_t index =
        dropout_index(within / (shape.rows * shape.columns), within / shape.columns % shape.rows, within % shape.columns);
    narrow(dropout_keeps(key, index, threshold) ? widen(x[i]) * factor : Factor(0), y + i);
  }
}

template <class Scalar, class Factor>
int launch(const void* x, void* y, DropoutShape shape, const int64_t* row_keys, uint64_t noise_key, uint64_t site,
           uint64_t threshold, double factor, void* stream) {
  const int64_t count = shape.batch * shape.planes * shape.rows * shape.columns;
  if (count == 0) return 0;
  const int64_t blocks = (count + 255) / 256;
  keyed_dropout_kernel<Scalar, Factor>
      <<<static_cast<unsigned>(blocks < 65535 ? blocks : 65535), 256, 0, static_cast<cudaStream_t>(stream)>>>(
          static_cast<const Scalar*>(x), static_cast<Scalar*>(y), shape, row_keys, noise_key, site, threshold,
          static_cast<Factor>(factor));
  return static_cast<int>(cudaGetLastError());
}

}  // namespace

int launch_keyed_dropout(const void* x, void* y, DropoutType type, DropoutShape shape, const int64_t* row_keys,
                         uint64_t noise_key, uint64_t site, uint64_t threshold, double factor, void* stream) {
  switch (type) {
    case DropoutType::f16:
      return launch<__half, float>(x, y, shape, row_keys, noise_key, site, threshold, factor, stream);
    case DropoutType::bf16:
      return launch<__nv_bfloat16, float>(x, y, shape, row_keys, noise_key, site, threshold, factor, stream);
    case DropoutType::f32:
      return launch<float, float>(x, y, shape, row_keys, noise_key, site, threshold, factor, stream);
    case DropoutType::f64:
      return launch<double, double>(x, y, shape, row_keys, noise_key, site, threshold, factor, stream);
  }
  return static_cast<int>(cudaErrorInvalidValue);
}

}  // namespace distill
