// The row kernel of the logits terms on CUDA: one block per row, each thread a stride of the vocabulary; the same mathematics
// as on the CPU (divergence_row.h). Rows come in float32, float64, or 16 bits, which compute in float32. No torch header here.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <string>

#include "distill/core/error.h"
#include "distill/kernels/divergence_rows.h"

namespace distill {
namespace {

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / 32;
// Blocks that share a multiprocessor: two of them leave 64 registers for a thread of sm_75, which float64 does without.
template <class Number>
constexpr int kBlocks = sizeof(Number) == 4 ? 2 : 1;

__device__ __forceinline__ double combine(double a, double b, bool largest) { return largest ? (a < b ? b : a) : a + b; }

// The result reaches every thread. Fixed order: the same bits in every run.
__device__ double over_block(double x, bool largest) {
  __shared__ double parts[kWarps];
  for (int offset = 16; offset > 0; offset /= 2) x = combine(x, __shfl_down_sync(0xffffffffu, x, offset), largest);
  __syncthreads();  // the previous result has been read by all
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  double result = parts[0];
  for (int i = 1; i < kWarps; ++i) result = combine(result, parts[i], largest);
  return result;
}

template <class Number>
struct BlockLanes {
  using Real = Number;
  using Scalar = Number;
  struct Sum {
    Number part = 0;
    double total = 0;
    __device__ void add(Number x) { part += x; }
    __device__ void widen() {
      total += static_cast<double>(part);
      part = 0;
    }
  };

  __device__ static Number all(Number x) { return x; }
  __device__ static Number lowest() { return static_cast<Number>(-3.0e38); }
  __device__ static double not_a_number() { return __longlong_as_double(0x7ff8000000000000LL); }
  __device__ static float exp(float x) { return ::expf(x); }
  __device__ static double exp(double x) { return ::exp(x); }
  __device__ static float expm1(float x) { return ::expm1f(x); }
  __device__ static double expm1(double x) { return ::expm1(x); }
  __device__ static float log1p(float x) { return ::log1pf(x); }
  __device__ static double log1p(double x) { return ::log1p(x); }
  __device__ static double log_of(double x) { return ::log(x); }
  __device__ static double exp_of(double x) { return ::exp(x); }
  __device__ static Number larger(Number a, Number b) { return a > b ? a : b; }

  __device__ static int64_t first() { return threadIdx.x; }
  __device__ static int64_t stride() { return kThreads; }
  __device__ static bool leads() { return threadIdx.x == 0; }
  __device__ static Number load(const Number* row, int64_t j, int64_t) { return row[j]; }
  __device__ static Number load(const __half* row, int64_t j, int64_t) { return __half2float(row[j]); }
  __device__ static Number load(const __nv_bfloat16* row, int64_t j, int64_t) { return __bfloat162float(row[j]); }
  __device__ static void store(Number* row, int64_t j, int64_t, Number x) { row[j] = x; }
  __device__ static void store(__half* row, int64_t j, int64_t, Number x) { row[j] = __float2half_rn(x); }
  __device__ static void store(__nv_bfloat16* row, int64_t j, int64_t, Number x) { row[j] = __float2bfloat16_rn(x); }
  __device__ static Number is_at(int64_t j, int64_t target) { return j == target ? Number(1) : Number(0); }
  __device__ static Number is_inside(int64_t, int64_t) { return Number(1); }
  __device__ static Number load_mark(const signed char* row, int64_t j, int64_t) { return static_cast<Number>(row[j]); }
  static constexpr int kBlock = 16;  // elements of a thread that stay in the first-level cache between two readings
  __device__ static Number own_max(Number x) { return x; }
  __device__ static double own_sum(Number x) { return static_cast<double>(x); }
  __device__ static double max_over(double x) { return over_block(x, true); }
  __device__ static double sum_over(double x) { return over_block(x, false); }
  __device__ static double total_of(const Sum& sum) { return over_block(sum.total, false); }
};

template <class Shape, class Number, class Element>
__global__ void __launch_bounds__(kThreads, kBlocks<Number>)
    divergence_kernel(const __grid_constant__ RowPlan plan, RowBatch batch) {
  const int64_t row = blockIdx.x;
  const Element* teacher = static_cast<const Element*>(batch.teacher);
  const double scale = batch.loss_scale ? static_cast<double>(*batch.loss_scale) : 1.0;
  divergence_row<Shape>(BlockLanes<Number>{}, plan, row_data(batch, static_cast<Element*>(batch.student), teacher, row), scale,
                        batch.values + row * plan.num_terms);
}

template <class Number, class Element, class Shape>
void start(Shape, const RowPlan& plan, const RowBatch& batch, void* stream) {
  divergence_kernel<Shape, Number, Element>
      <<<static_cast<unsigned>(batch.num_rows), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(plan, batch);
  const cudaError_t status = cudaGetLastError();
  if (status != cudaSuccess)
    throw Bug(std::string("the kernel of the logits terms did not start: ") + cudaGetErrorString(status));
}

}  // namespace

void divergence_rows_cuda(RowType type, const RowPlan& plan, const RowBatch& batch, void* stream) {
  if (batch.num_rows == 0) return;
  if (type == RowType::float64) return start<double, double>(PlanShape<>{}, plan, batch, stream);
  with_shape(plan, [&](auto shape) {
    if (type == RowType::float32) return start<float, float>(shape, plan, batch, stream);
    if (type == RowType::float16) return start<float, __half>(shape, plan, batch, stream);
    start<float, __nv_bfloat16>(shape, plan, batch, stream);
  });
}

}  // namespace distill
