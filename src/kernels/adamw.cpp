// AdamW: checks, the CPU loop, and the call of the CUDA kernel.
#include "distill/kernels/adamw.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "adamw_cuda.h"
#include "cuda_call.h"
#include "simd.h"

namespace distill {
namespace {

template <class Real>
struct Chunk {
  Real *weight, *gradient, *first, *second;
  int64_t count;
};

template <class Real>
DISTILL_ROW_FUNCTION void update_body(const AdamwNumbers<Real>& numbers, const Chunk<Real>& chunk) {
  Real *weight = chunk.weight, *gradient = chunk.gradient, *first = chunk.first, *second = chunk.second;
#pragma omp simd
  for (int64_t i = 0; i < chunk.count; ++i) {
    Real w = weight[i], m = first[i], v = second[i];
    adamw_number(numbers, w, gradient[i], m, v);
    weight[i] = w;
    first[i] = m;
    second[i] = v;
    gradient[i] = 0;
  }
}
DISTILL_SIMD void update(const AdamwNumbers<float>& numbers, const Chunk<float>& chunk) { update_body(numbers, chunk); }
void update(const AdamwNumbers<double>& numbers, const Chunk<double>& chunk) { update_body(numbers, chunk); }

// Small enough that the narrow copy reads the new weights from the cache.
constexpr int64_t kChunk = 8192;

struct Piece {
  size_t tensor;
  int64_t begin;
};

std::vector<Piece> pieces_of(const std::vector<AdamwTensors>& tensors) {
  std::vector<Piece> pieces;
  for (size_t t = 0; t < tensors.size(); ++t)
    for (int64_t begin = 0; begin < tensors[t].weight.numel(); begin += kChunk) pieces.push_back({t, begin});
  return pieces;
}

template <class Real>
void narrow_into(const at::Tensor& narrow, const Real* weights, int64_t begin, int64_t count) {
  AT_DISPATCH_REDUCED_FLOATING_TYPES(narrow.scalar_type(), "adamw", [&] {
    auto* to = narrow.mutable_data_ptr<scalar_t>() + begin;
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<scalar_t>(static_cast<float>(weights[i]));
  });
}

template <class Real>
void step_on_cpu(const std::vector<AdamwTensors>& tensors, const AdamwStep& step) {
  const bool skipped = *step.found_inf.const_data_ptr<float>() != 0;
  const double factor = step.gradient_factor.defined() ? *step.gradient_factor.const_data_ptr<double>() : 1;
  const AdamwConstants constants{step.learning_rate, step.beta1, step.beta2, step.eps};
  std::vector<AdamwNumbers<Real>> numbers;
  for (const AdamwTensors& one : tensors)
    numbers.push_back(adamw_numbers<Real>(constants, static_cast<double>(*step.step.const_data_ptr<float>()), factor,
                                          one.weight_decay, one.rate_factor));
  const std::vector<Piece> pieces = pieces_of(tensors);
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      const AdamwTensors& one = tensors[pieces[p].tensor];
      const int64_t begin = pieces[p].begin, count = std::min(kChunk, one.weight.numel() - begin);
      const Chunk<Real> chunk{one.weight.mutable_data_ptr<Real>() + begin, one.gradient.mutable_data_ptr<Real>() + begin,
                              one.first_moment.mutable_data_ptr<Real>() + begin,
                              one.second_moment.mutable_data_ptr<Real>() + begin, count};
      if (skipped) {
        std::fill_n(chunk.gradient, count, Real(0));
        continue;
      }
      update(numbers[pieces[p].tensor], chunk);
      if (one.narrow.defined()) narrow_into(one.narrow, chunk.weight, begin, count);
    }
  });
}

void step_on_cuda(const std::vector<AdamwTensors>& tensors, const AdamwStep& step) {
  AdamwOnDevice on_device{{step.learning_rate, step.beta1, step.beta2, step.eps},
                          step.step.const_data_ptr<float>(),
                          step.gradient_factor.defined() ? step.gradient_factor.const_data_ptr<double>() : nullptr,
                          step.found_inf.const_data_ptr<float>(),
                          element_type(tensors.front().weight)};
  std::vector<AdamwSpan> spans;
  for (const AdamwTensors& one : tensors) {
    if (one.narrow.defined()) on_device.narrow_type = element_type(one.narrow);
    spans.push_back({one.weight.mutable_data_ptr(), one.gradient.mutable_data_ptr(), one.first_moment.mutable_data_ptr(),
                     one.second_moment.mutable_data_ptr(), one.narrow.defined() ? one.narrow.mutable_data_ptr() : nullptr,
                     one.weight.numel(), one.weight_decay, one.rate_factor});
  }
  const CudaCall on(tensors.front().weight);
  check_launch(launch_adamw(spans.data(), static_cast<int64_t>(spans.size()), on_device, on.stream()), "adamw");
}

void check(const AdamwTensors& one, at::ScalarType dtype) {
  for (const at::Tensor& tensor : {one.weight, one.gradient, one.first_moment, one.second_moment})
    TORCH_CHECK(tensor.scalar_type() == dtype && tensor.sizes() == one.weight.sizes() &&
                    tensor.strides() == one.weight.strides() && tensor.is_non_overlapping_and_dense(),
                "adamw: ", tensor.scalar_type(), " ", tensor.sizes(), " with strides ", tensor.strides(), " beside a weight ",
                one.weight.scalar_type(), " ", one.weight.sizes(), " with strides ", one.weight.strides());
  TORCH_CHECK(!one.narrow.defined() || (one.narrow.sizes() == one.weight.sizes() && one.narrow.strides() == one.weight.strides()),
              "adamw: a narrow copy ", one.narrow.sizes(), " beside a weight ", one.weight.sizes());
}

}  // namespace

void adamw_(const std::vector<AdamwTensors>& tensors, const AdamwStep& step) {
  if (tensors.empty()) return;
  const at::Tensor& first = tensors.front().weight;
  for (const AdamwTensors& one : tensors) check(one, first.scalar_type());
  if (!first.is_cpu()) return step_on_cuda(tensors, step);
  first.scalar_type() == at::kDouble ? step_on_cpu<double>(tensors, step) : step_on_cpu<float>(tensors, step);
}

}  // namespace distill
