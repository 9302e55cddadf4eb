// AdamW on CUDA over many tensors at a time: the table of tensors and chunks travels as the kernel's argument (4 KB at most).
#include "adamw_cuda.h"
#include "cuda_elements.h"

namespace distill {
namespace {

constexpr int kThreads = 256, kSpans = 32, kChunks = 320;
constexpr int64_t kChunk = 65536;

struct Table {
  AdamwSpan spans[kSpans];
  int32_t chunk[kChunks];  // number of the chunk within its span
  uint8_t span_of[kChunks];
};
static_assert(sizeof(Table) + sizeof(AdamwOnDevice) < 4000);

template <class Real>
__global__ void __launch_bounds__(kThreads) adamw_kernel(const __grid_constant__ Table table, AdamwOnDevice step) {
  __shared__ AdamwNumbers<Real> shared;
  const AdamwSpan& span = table.spans[table.span_of[blockIdx.x]];
  if (threadIdx.x == 0)
    shared = adamw_numbers<Real>(step.constants, static_cast<double>(*step.step),
                                 step.gradient_factor ? *step.gradient_factor : 1.0, span.weight_decay, span.rate_factor);
  __syncthreads();
  const AdamwNumbers<Real> numbers = shared;
  const bool skipped = *step.found_inf != 0;
  const int64_t begin = table.chunk[blockIdx.x] * kChunk, end = begin + kChunk < span.count ? begin + kChunk : span.count;
  Real *weights = static_cast<Real*>(span.weight), *gradients = static_cast<Real*>(span.gradient);
  Real *firsts = static_cast<Real*>(span.first_moment), *seconds = static_cast<Real*>(span.second_moment);
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const Real gradient = gradients[i];
    gradients[i] = Real(0);
    if (skipped) continue;
    adamw_number(numbers, weights[i], gradient, firsts[i], seconds[i]);
    if (span.narrow) write(Sink{span.narrow, step.narrow_type}, i, weights[i]);
  }
}

int start(const Table& table, int num_chunks, const AdamwOnDevice& step, cudaStream_t stream) {
  if (num_chunks == 0) return 0;
  if (step.type == ElementType::f64) {
    adamw_kernel<double><<<num_chunks, kThreads, 0, stream>>>(table, step);
  } else {
    adamw_kernel<float><<<num_chunks, kThreads, 0, stream>>>(table, step);
  }
  return static_cast<int>(cudaGetLastError());
}

}  // namespace

int launch_adamw(const AdamwSpan* spans, int64_t num_spans, const AdamwOnDevice& step, void* stream) {
  const auto on = static_cast<cudaStream_t>(stream);
  Table table;
  int used = 0, chunks = 0;
  for (int64_t s = 0; s < num_spans; ++s) {
    if (spans[s].count == 0) continue;
    if (used == kSpans) {
      if (const int error = start(table, chunks, step, on)) return error;
      used = chunks = 0;
    }
    table.spans[used++] = spans[s];
    const int64_t parts = (spans[s].count + kChunk - 1) / kChunk;
    for (int64_t part = 0; part < parts; ++part) {
      if (chunks == kChunks) {  // full: what is left of this span goes into the next table
        if (const int error = start(table, chunks, step, on)) return error;
        chunks = 0;
        table.spans[0] = spans[s];
        used = 1;
      }
      table.chunk[chunks] = static_cast<int32_t>(part);
      table.span_of[chunks++] = static_cast<uint8_t>(used - 1);
    }
  }
  return start(table, chunks, step, on);
}

}  // namespace distill
