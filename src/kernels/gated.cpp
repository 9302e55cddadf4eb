// Gated products: checks, CPU loops, and the autograd node.
#include "distill/kernels/gated.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "cuda_call.h"
#include "gated_cuda.h"
#include "gated_math.h"
#include "simd.h"

namespace distill {
namespace {

// The library's functions, one number at a time: float64, and gates that nobody uses.
struct StandardMath {
  template <class Real>
  static Real exp(Real x) {
    return std::exp(x);
  }
  template <class Real>
  static Real tanh(Real x) {
    return std::tanh(x);
  }
  template <class Real>
  static Real normal_cdf(Real x, Real) {
    return Real(0.5) * std::erfc(x * Real(-0.707106781186547524));
  }
};

// Without branches and calls, so that the compiler can make vectors of it.
struct VectorMath {
  // Polynomial of Cephes (Moshier), relative error about 1e-7; arguments beyond +-87 count as +-87.
  DISTILL_ROW_FUNCTION static float exp(float x) {
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, whose bits are then the low ones
    x = x > 87.0f ? 87.0f : x;
    x = x < -87.0f ? -87.0f : x;
    const float shifted = x * 1.44269504088896341f + kRound, n = shifted - kRound;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    const int32_t power = (__builtin_bit_cast(int32_t, shifted) << 23) + 0x3f800000;
    return __builtin_bit_cast(float, power) * (p * r * r + r + 1.0f);
  }
  // Abramowitz and Stegun 7.1.26, absolute error 1e-7.
  DISTILL_ROW_FUNCTION static float normal_cdf(float x, float e) {
    const float t = 1.0f / (1.0f + 0.3275911f * 0.707106781f * (x < 0 ? -x : x));
    float p = t * 1.061405429f - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const float tail = 0.5f * p * t * e;
    return x < 0 ? tail : 1.0f - tail;
  }
};

// One row (or more that are dense): y = act(gate) * up.
template <class Number>
struct ForwardRow {
  const Number *gate, *up;
  Number* y;
};
template <class Number>
struct BackwardRow {
  const Number *gate, *up, *grad;
  Number *gate_grad, *up_grad;
};

template <class Number, class Activate>
DISTILL_ROW_FUNCTION void loop(const ForwardRow<Number>& row, int64_t count, const Activate& act) {
  const Number *gate = row.gate, *up = row.up;
  Number* y = row.y;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i)
    y[i] = static_cast<Number>(act(static_cast<float>(gate[i])).value * static_cast<float>(up[i]));
}
template <class Number, class Activate>
DISTILL_ROW_FUNCTION void loop(const BackwardRow<Number>& row, int64_t count, const Activate& act) {
  const Number *gate = row.gate, *up = row.up, *grad = row.grad;
  Number *gate_grad = row.gate_grad, *up_grad = row.up_grad;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const Activated<float> a = act(static_cast<float>(gate[i]));
    const float g = static_cast<float>(grad[i]);
    gate_grad[i] = static_cast<Number>(g * static_cast<float>(up[i]) * a.slope);
    up_grad[i] = static_cast<Number>(g * a.value);
  }
}

// The kind is asked once per row, not once per element.
template <class Row>
DISTILL_ROW_FUNCTION void run_vectors(Gate kind, const Row& row, int64_t count) {
  if (kind == Gate::silu) return loop(row, count, [](float x) DISTILL_ROW_LAMBDA { return silu<VectorMath>(x); });
  if (kind == Gate::gelu) return loop(row, count, [](float x) DISTILL_ROW_LAMBDA { return gelu<VectorMath>(x); });
  if (kind == Gate::gelu_tanh) return loop(row, count, [](float x) DISTILL_ROW_LAMBDA { return gelu_tanh<VectorMath>(x); });
  if (kind == Gate::relu) return loop(row, count, [](float x) DISTILL_ROW_LAMBDA { return relu(x); });
  loop(row, count, [](float x) { return hyperbolic<StandardMath>(x); });
}

DISTILL_SIMD void run(Gate kind, const ForwardRow<float>& row, int64_t count) { run_vectors(kind, row, count); }
DISTILL_SIMD void run(Gate kind, const BackwardRow<float>& row, int64_t count) { run_vectors(kind, row, count); }
DISTILL_SIMD void run(Gate kind, const ForwardRow<c10::BFloat16>& row, int64_t count) { run_vectors(kind, row, count); }
DISTILL_SIMD void run(Gate kind, const BackwardRow<c10::BFloat16>& row, int64_t count) { run_vectors(kind, row, count); }
void run(Gate kind, const ForwardRow<c10::Half>& row, int64_t count) { run_vectors(kind, row, count); }
void run(Gate kind, const BackwardRow<c10::Half>& row, int64_t count) { run_vectors(kind, row, count); }

void run(Gate kind, const ForwardRow<double>& row, int64_t count) {
  for (int64_t i = 0; i < count; ++i) row.y[i] = activated<StandardMath>(kind, row.gate[i]).value * row.up[i];
}
void run(Gate kind, const BackwardRow<double>& row, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const Activated<double> a = activated<StandardMath>(kind, row.gate[i]);
    row.gate_grad[i] = row.grad[i] * row.up[i] * a.slope;
    row.up_grad[i] = row.grad[i] * a.value;
  }
}

// Rows with a dense last axis; a view into a wider product stays one.
at::Tensor as_rows(const at::Tensor& x) {
  const at::Tensor rows = x.dim() == 2 ? x : x.flatten(0, -2);
  return rows.stride(1) == 1 ? rows : rows.contiguous();
}

GatedRows raw(const at::Tensor& gate_NF, const at::Tensor& up_NF, Gate kind) {
  return {source_of(gate_NF), source_of(up_NF), gate_NF.stride(0), up_NF.stride(0), gate_NF.size(0), gate_NF.size(1), kind};
}

int64_t grain(int64_t columns) { return 1 + 8192 / columns; }

void forward_cpu(const at::Tensor& gate_NF, const at::Tensor& up_NF, Gate kind, at::Tensor& y_NF) {
  const int64_t columns = gate_NF.size(1);
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, y_NF.scalar_type(), "gated_product", [&] {
    const auto *gate = gate_NF.const_data_ptr<scalar_t>(), *up = up_NF.const_data_ptr<scalar_t>();
    auto* y = y_NF.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, gate_NF.size(0), grain(columns), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        run(kind, ForwardRow<scalar_t>{gate + row * gate_NF.stride(0), up + row * up_NF.stride(0), y + row * columns}, columns);
    });
  });
}

void backward_cpu(const at::Tensor& gate_NF, const at::Tensor& up_NF, const at::Tensor& grad_NF, Gate kind,
                  at::Tensor& gate_grad_NF, at::Tensor& up_grad_NF) {
  const int64_t columns = gate_NF.size(1);
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, grad_NF.scalar_type(), "gated_product_backward", [&] {
    const auto *gate = gate_NF.const_data_ptr<scalar_t>(), *up = up_NF.const_data_ptr<scalar_t>(),
               *grad = grad_NF.const_data_ptr<scalar_t>();
    auto *gate_grad = gate_grad_NF.mutable_data_ptr<scalar_t>(), *up_grad = up_grad_NF.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, gate_NF.size(0), grain(columns), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        run(kind,
            BackwardRow<scalar_t>{gate + row * gate_NF.stride(0), up + row * up_NF.stride(0), grad + row * columns,
                                  gate_grad + row * columns, up_grad + row * columns},
            columns);
    });
  });
}

at::Tensor empty_like_rows(const at::Tensor& x_NF) { return at::empty(x_NF.sizes(), x_NF.options().requires_grad(false)); }

struct GatedFunction : torch::autograd::Function<GatedFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& gate, const at::Tensor& up,
                            int64_t kind) {
    context->save_for_backward({gate, up});
    context->saved_data["kind"] = kind;
    const at::Tensor gate_NF = as_rows(gate), up_NF = as_rows(up);
    at::Tensor y_NF = empty_like_rows(gate_NF);
    if (gate.device().is_cpu()) {
      forward_cpu(gate_NF, up_NF, static_cast<Gate>(kind), y_NF);
    } else {
      const CudaCall on(gate);
      check_launch(launch_gated_forward(raw(gate_NF, up_NF, static_cast<Gate>(kind)), sink_of(y_NF), on.stream()),
                   "gated_product");
    }
    return y_NF.view(gate.sizes());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto kind = static_cast<Gate>(context->saved_data["kind"].toInt());
    const at::Tensor gate_NF = as_rows(saved[0]), up_NF = as_rows(saved[1]), grad_NF = as_rows(grads[0]).contiguous();
    at::Tensor gate_grad_NF = empty_like_rows(gate_NF), up_grad_NF = empty_like_rows(gate_NF);
    if (grad_NF.device().is_cpu()) {
      backward_cpu(gate_NF, up_NF, grad_NF, kind, gate_grad_NF, up_grad_NF);
    } else {
      const CudaCall on(grad_NF);
      check_launch(launch_gated_backward(raw(gate_NF, up_NF, kind), source_of(grad_NF), sink_of(gate_grad_NF),
                                         sink_of(up_grad_NF), on.stream()),
                   "gated_product_backward");
    }
    return {gate_grad_NF.view(saved[0].sizes()), up_grad_NF.view(saved[0].sizes()), at::Tensor()};
  }
};

}  // namespace

at::Tensor gated_product(const at::Tensor& gate, const at::Tensor& up, Gate kind) {
  TORCH_CHECK(gate.sizes() == up.sizes() && gate.scalar_type() == up.scalar_type() && gate.dim() >= 2, "gated_product: gate ",
              gate.sizes(), ", up ", up.sizes());
  return GatedFunction::apply(gate, up, static_cast<int64_t>(kind));
}

}  // namespace distill
