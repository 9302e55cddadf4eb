// Rotary positions: one CPU loop for both directions; other devices compose tensor operations.
#include "distill/kernels/rope.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

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

template <class Scalar, class Acc>
void turn_neighbours(const Scalar* x, const Acc* cos, const Acc* sin, Acc sign, Scalar* y, int64_t pairs) {
  for (int64_t i = 0; i < pairs; ++i) {
    const Acc a = static_cast<Acc>(x[2 * i]), b = static_cast<Acc>(x[2 * i + 1]), s = sign * sin[i];
    y[2 * i] = static_cast<Scalar>(a * cos[i] - b * s);
    y[2 * i + 1] = static_cast<Scalar>(b * cos[i] + a * s);
  }
}

template <class Scalar, class Acc>
void turn_all(const at::Tensor& x_BTHK, const Tables& tables, bool interleaved, Acc sign, at::Tensor& y_BTHK) {
  const int64_t length = x_BTHK.size(1), heads = x_BTHK.size(2), size = x_BTHK.size(3), pairs = tables.cos_PR.size(1);
  const int64_t* rows = tables.rows_BT.defined() ? tables.rows_BT.const_data_ptr<int64_t>() : nullptr;
  const Scalar* x = x_BTHK.const_data_ptr<Scalar>();
  const Acc* cos = tables.cos_PR.const_data_ptr<Acc>();
  const Acc* sin = tables.sin_PR.const_data_ptr<Acc>();
  Scalar* y = y_BTHK.mutable_data_ptr<Scalar>();
  at::parallel_for(0, x_BTHK.size(0) * length, 1 + 16384 / (heads * size), [&](int64_t begin, int64_t end) {
    for (int64_t token = begin; token < end; ++token) {
      const int64_t row = rows ? rows[token] : token % length;
      for (int64_t head = 0; head < heads; ++head) {
        const Scalar* from = x + (token * heads + head) * size;
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

at::Tensor turn_cpu(const at::Tensor& x, const Tables& tables, bool interleaved, double sign) {
  const at::Tensor x_BTHK = x.contiguous();
  at::Tensor y_BTHK = at::empty_like(x_BTHK);
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, x.scalar_type(), "rope", [&] {
    if (tables.cos_PR.scalar_type() == at::kDouble) {
      turn_all<scalar_t, double>(x_BTHK, tables, interleaved, sign, y_BTHK);
    } else {
      turn_all<scalar_t, float>(x_BTHK, tables, interleaved, static_cast<float>(sign), y_BTHK);
    }
  });
  return y_BTHK;
}

at::Tensor turn_any(const at::Tensor& x_BTHK, const Tables& tables, bool interleaved, double sign) {
  const int64_t batch = x_BTHK.size(0), length = x_BTHK.size(1), pairs = tables.cos_PR.size(1);
  const auto rows_of = [&](const at::Tensor& table_PR) {
    if (!tables.rows_BT.defined()) return table_PR.narrow(0, 0, length).unsqueeze(1);
    return table_PR.index_select(0, tables.rows_BT.reshape(-1)).view({batch, length, 1, pairs});
  };
  const at::Tensor cos = rows_of(tables.cos_PR), sin = rows_of(tables.sin_PR) * sign;
  const at::Tensor turned = x_BTHK.narrow(-1, 0, 2 * pairs).to(cos.scalar_type());
  const at::Tensor a = interleaved ? turned.slice(-1, 0, 2 * pairs, 2) : turned.narrow(-1, 0, pairs);
  const at::Tensor b = interleaved ? turned.slice(-1, 1, 2 * pairs, 2) : turned.narrow(-1, pairs, pairs);
  const at::Tensor first = a * cos - b * sin, second = b * cos + a * sin;
  const at::Tensor y = interleaved ? at::stack({first, second}, -1).flatten(-2) : at::cat({first, second}, -1);
  if (2 * pairs == x_BTHK.size(-1)) return y.to(x_BTHK.scalar_type());
  return at::cat({y.to(x_BTHK.scalar_type()), x_BTHK.narrow(-1, 2 * pairs, x_BTHK.size(-1) - 2 * pairs)}, -1);
}

at::Tensor turn(const at::Tensor& x_BTHK, const Tables& tables, bool interleaved, double sign) {
  return x_BTHK.device().is_cpu() ? turn_cpu(x_BTHK, tables, interleaved, sign) : turn_any(x_BTHK, tables, interleaved, sign);
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
  return RopeFunction::apply(x_BTHK, cos_PR, sin_PR, rows, interleaved);
}

}  // namespace distill
