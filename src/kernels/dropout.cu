// Keyed dropout on CUDA: one thread per element, the same hash as on the CPU.
#include "cuda_elements.h"
#include "dropout_cuda.h"
#include "dropout_hash.h"

namespace distill {
namespace {

template <class Real>
__global__ void keyed_dropout_kernel(Source x, Sink y, DropoutShape shape, const int64_t* row_keys, uint64_t noise_key,
                                     uint64_t site, uint64_t threshold, Real factor) {
  const int64_t per_row = shape.planes * shape.rows * shape.columns, count = shape.batch * per_row;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < count; i += int64_t(gridDim.x) * blockDim.x) {
    const uint64_t key = dropout_row_key(noise_key, static_cast<uint64_t>(row_keys[i / per_row]), site);
    const int64_t within = i % per_row;
    const uint64_t index =
        dropout_index(within / (shape.rows * shape.columns), within / shape.columns % shape.rows, within % shape.columns);
    write(y, i, dropout_keeps(key, index, threshold) ? read<Real>(x, i) * factor : Real(0));
  }
}

}  // namespace

int launch_keyed_dropout(Source x, Sink y, DropoutShape shape, const int64_t* row_keys, uint64_t noise_key, uint64_t site,
                         uint64_t threshold, double factor, void* stream) {
  const int64_t count = shape.batch * shape.planes * shape.rows * shape.columns;
  if (count == 0) return 0;
  const auto on = static_cast<cudaStream_t>(stream);
  if (x.type == ElementType::f64) {
    keyed_dropout_kernel<double>
        <<<blocks_for(count, 256), 256, 0, on>>>(x, y, shape, row_keys, noise_key, site, threshold, factor);
  } else {
    keyed_dropout_kernel<float>
        <<<blocks_for(count, 256), 256, 0, on>>>(x, y, shape, row_keys, noise_key, site, threshold, static_cast<float>(factor));
  }
  return static_cast<int>(cudaGetLastError());
}

}  // namespace distill
