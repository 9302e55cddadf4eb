// For .cu files: reading and writing elements, and sums over the threads that share a row. The branch on the type is the same
// for all threads and costs little beside memory: so kernels need no version for each pair of types.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "elements.h"

namespace distill {

template <class Real>
__device__ __forceinline__ Real read(const Source& source, int64_t i) {
  switch (source.type) {
    case ElementType::f16:
      return static_cast<Real>(__half2float(static_cast<const __half*>(source.data)[i]));
    case ElementType::bf16:
      return static_cast<Real>(__bfloat162float(static_cast<const __nv_bfloat16*>(source.data)[i]));
    case ElementType::f32:
      return static_cast<Real>(static_cast<const float*>(source.data)[i]);
    default:
      return static_cast<Real>(static_cast<const double*>(source.data)[i]);
  }
}

template <class Real>
__device__ __forceinline__ void write(const Sink& sink, int64_t i, Real x) {
  switch (sink.type) {
    case ElementType::f16:
      static_cast<__half*>(sink.data)[i] = __float2half_rn(static_cast<float>(x));
      return;
    case ElementType::bf16:
      static_cast<__nv_bfloat16*>(sink.data)[i] = __float2bfloat16_rn(static_cast<float>(x));
      return;
    case ElementType::f32:
      static_cast<float*>(sink.data)[i] = static_cast<float>(x);
      return;
    default:
      static_cast<double*>(sink.data)[i] = static_cast<double>(x);
  }
}

// The sum over `kLanes` neighbouring threads, known to all of them; 32, or all threads of the block. Fixed order: the same bits
// in every run.
template <int kLanes, class Real>
__device__ __forceinline__ Real row_sum(Real x) {
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(0xffffffffu, x, offset);
  if constexpr (kLanes > 32) {
    __shared__ Real parts[kLanes / 32];
    __syncthreads();  // the previous sum has been read by all
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    x = parts[0];
    for (int i = 1; i < kLanes / 32; ++i) x += parts[i];
  }
  return x;
}

inline unsigned blocks_for(int64_t count, int64_t per_block, int64_t most = 65535) {
  const int64_t blocks = (count + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < most ? blocks : most);
}

}  // namespace distill
