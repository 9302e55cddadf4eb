// Rotary positions on CUDA: one thread for each pair of channels, and for each channel that stays.
#include "cuda_elements.h"
#include "rope_cuda.h"

namespace distill {
namespace {

template <class Real>
__global__ void rope_kernel(RopeHeads heads, RopeAngles angles) {
  const int64_t pairs = angles.pairs, work = heads.size - pairs;  // of one head
  const int64_t count = heads.batch * heads.length * heads.heads * work;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < count; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t part = i % work, head = i / work % heads.heads, token = i / (work * heads.heads);
    const int64_t from =
        token / heads.length * heads.batch_stride + token % heads.length * heads.token_stride + head * heads.head_stride;
    const int64_t to = (token * heads.heads + head) * heads.size;
    if (part >= pairs) {
      write(heads.y, to + pairs + part, read<Real>(heads.x, from + pairs + part));
      continue;
    }
    const int64_t row = angles.rows ? angles.rows[token] : token % heads.length;
    const int64_t first = angles.interleaved ? 2 * part : part, second = angles.interleaved ? 2 * part + 1 : part + pairs;
    const Real cos = read<Real>(angles.cos, row * pairs + part);
    const Real sin = read<Real>(angles.sin, row * pairs + part) * static_cast<Real>(angles.sign);
    const Real a = read<Real>(heads.x, from + first), b = read<Real>(heads.x, from + second);
    write(heads.y, to + first, a * cos - b * sin);
    write(heads.y, to + second, b * cos + a * sin);
  }
}

}  // namespace

int launch_rope(const RopeHeads& heads, const RopeAngles& angles, void* stream) {
  const int64_t count = heads.batch * heads.length * heads.heads * (heads.size - angles.pairs);
  if (count == 0) return 0;
  const auto on = static_cast<cudaStream_t>(stream);
  if (angles.cos.type == ElementType::f64) {
    rope_kernel<double><<<blocks_for(count, 256), 256, 0, on>>>(heads, angles);
  } else {
    rope_kernel<float><<<blocks_for(count, 256), 256, 0, on>>>(heads, angles);
  }
  return static_cast<int>(cudaGetLastError());
}

}  // namespace distill
