// Rotary positions: checks, the CPU loop for both directions, and the autograd node.
#include "distill/kernels/rope.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "cuda_call.h"
#include "rope_cuda.h"
#include "simd.h"

namespace distill {
namespace {

struct Tables {
  at::Tensor cos_PR, sin_PR, rows_BT;
};

template <class Scalar, class Acc>
inline __attribute__((always_inline)) void turn_halves_body(const Scalar* x, const Acc* cos, const Acc* sin, Acc sign, Scalar* y,
                                                            int64_t pairs) {
#pragma omp simd
  for (int64_t i = 0; i < pairs; ++i) {
    const Acc a = static_cast<Acc>(x[i]), b = static_cast<Acc>(x[i + pairs]), s = sign * sin[i];
    y[i] = static_cast<Scalar>(a * cos[i] - b * s);
    y[i + pairs] = static_cast<Scalar>(b * cos[i] + a * s);
  }
}
template <class Scalar, class Acc>
void turn_halves(const Scalar* x, const Acc* cos, const Acc* sin, Acc sign, Scalar* y, int64_t pairs) {
  turn_halves_body(x, cos, sin, sign, y, pairs);
}
DISTILL_SIMD void turn_halves(const float* x, const float* cos, const float* sin, float sign, float* y, int64_t pairs) {
  turn_halves_body(x, cos, sin, sign, y, pairs);
}
DISTILL_SIMD void turn_halves(const c10::BFloat16* x, const float* cos, const float* sin, float sign, c10::BFloat16* y,
                              int64_t pairs) {
  turn_halves_body(x, cos, sin, sign, y, pairs);
}

template <class Scalar, class Acc>
void turn_neighbours(const Scalar* x, const Acc* cos, const Acc* sin, Acc sign, Scalar* y, int64_t pairs) {
  for (int64_t i = 0; i < pairs; ++i) {
    const Acc a = static_cast<Acc>(x[2 * i]), b = static_cast<Acc>(x[2 * i + 1]), s = sign * sin[i];
    y[2 * i] = static_cast<Scalar>(a * cos[i] - b * s);
    y[2 * i + 1] = static_cast<Scalar>(b * cos[i] + a * s);
  }
}

// The input may be a view into a wider product, or heads that come transposed: only the last axis must be dense.
template <class Scalar, class Acc>
void turn_all(const at::Tensor& x_BTHK, const Tables& tables, bool interleaved, Acc sign, at::Tensor& y_BTHK) {
  const int64_t length = x_BTHK.size(1), heads = x_BTHK.size(2), size = x_BTHK.size(3), pairs = tables.cos_PR.size(1);
  const int64_t batch_stride = x_BTHK.stride(0), token_stride = x_BTHK.stride(1), head_stride = x_BTHK.stride(2);
  const int64_t* rows = tables.rows_BT.defined() ? tables.rows_BT.const_data_ptr<int64_t>() : nullptr;
  const Scalar* x = x_BTHK.const_data_ptr<Scalar>();
  const Acc* cos = tables.cos_PR.const_data_ptr<Acc>();
  const Acc* sin = tables.sin_PR.const_data_ptr<Acc>();
  Scalar* y = y_BTHK.mutable_data_ptr<Scalar>();
  at::parallel_for(0, x_BTHK.size(0) * length, 1 + 16384 / (heads * size), [&](int64_t begin, int64_t end) {
    for (int64_t token = begin; token < end; ++token) {
      const int64_t row = rows ? rows[token] : token % length;
      const Scalar* of_token = x + token / length * batch_stride + token % length * token_stride;
      for (int64_t head = 0; head < heads; ++head) {
        const Scalar* from = of_token + head * head_stride;
        Scalar* to = y + (token * heads + head) * size;
        if (interleaved) {
          turn_neighbours(from, cos + row * pairs, sin + row * pairs, sign, to, pairs);
        } else {
          turn_halves(from, cos + row * pairs, sin + row * pairs, sign, to, pairs);
        }
        std::copy(from + 2 * pairs, from + size, to + 2 * pairs);
      }
    }
  });
}

void turn_cpu(const at::Tensor& x_BTHK, const Tables& tables, bool interleaved, double sign, at::Tensor& y_BTHK) {
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, x_BTHK.scalar_type(), "rope", [&] {
    if (tables.cos_PR.scalar_type() == at::kDouble) {
      turn_all<scalar_t, double>(x_BTHK, tables, interleaved, sign, y_BTHK);
    } else {
      turn_all<scalar_t, float>(x_BTHK, tables, interleaved, static_cast<float>(sign), y_BTHK);
    }
  });
}

void turn_cuda(const at::Tensor& x_BTHK, const Tables& tables, bool interleaved, double sign, at::Tensor& y_BTHK) {
  const RopeHeads heads{source_of(x_BTHK), sink_of(y_BTHK),  x_BTHK.size(0),   x_BTHK.size(1),  x_BTHK.size(2),
                        x_BTHK.size(3),    x_BTHK.stride(0), x_BTHK.stride(1), x_BTHK.stride(2)};
  const RopeAngles angles{source_of(tables.cos_PR),
                          source_of(tables.sin_PR),
                          tables.rows_BT.defined() ? tables.rows_BT.const_data_ptr<int64_t>() : nullptr,
                          tables.cos_PR.size(1),
                          interleaved,
                          sign};
  const CudaCall on(x_BTHK);
  check_launch(launch_rope(heads, angles, on.stream()), "rope");
}

at::Tensor turn(const at::Tensor& x, const Tables& tables, bool interleaved, double sign) {
  const at::Tensor x_BTHK = x.stride(3) == 1 ? x : x.contiguous();
  at::Tensor y_BTHK = at::empty(x.sizes(), x.options().requires_grad(false));
  if (x.numel() > 0)
    x.device().is_cpu() ? turn_cpu(x_BTHK, tables, interleaved, sign, y_BTHK)
                        : turn_cuda(x_BTHK, tables, interleaved, sign, y_BTHK);
  return y_BTHK;
}

struct RopeFunction : torch::autograd::Function<RopeFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x_BTHK, const at::Tensor& cos_PR,
                            const at::Tensor& sin_PR, const std::optional<at::Tensor>& rows_BT, bool interleaved) {
    const Tables tables{cos_PR, sin_PR, rows_BT.value_or(at::Tensor())};
    context->save_for_backward({tables.cos_PR, tables.sin_PR, tables.rows_BT});
    context->saved_data["interleaved"] = interleaved;
    return turn(x_BTHK, tables, interleaved, 1);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const bool interleaved = context->saved_data["interleaved"].toBool();
    return {turn(grads[0], {saved[0], saved[1], saved[2]}, interleaved, -1), at::Tensor(), at::Tensor(), at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

at::Tensor rope(const at::Tensor& x_BTHK, const at::Tensor& cos_PR, const at::Tensor& sin_PR, const at::Tensor& rows_BT,
                bool interleaved) {
  TORCH_CHECK(x_BTHK.dim() == 4 && 2 * cos_PR.size(1) <= x_BTHK.size(3), "rope: heads ", x_BTHK.sizes(), " for tables ",
              cos_PR.sizes());
  std::optional<at::Tensor> rows;
  if (rows_BT.defined()) rows = rows_BT.contiguous();
  return RopeFunction::apply(x_BTHK, cos_PR.contiguous(), sin_PR.contiguous(), rows, interleaved);
}

}  // namespace distill
