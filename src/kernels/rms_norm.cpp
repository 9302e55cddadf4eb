// RMS norm: CPU loops over rows; other devices compose tensor operations inside the same autograd node.
#include "distill/kernels/rms_norm.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "simd.h"

namespace distill {
namespace {

// Partial sums of the weight's gradient: a fixed number, so that bits do not depend on the number of threads.
constexpr int64_t kPartials = 16;

at::ScalarType accumulate_type(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

DISTILL_SIMD float dot(const float* a, const float* b, int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}
double dot(const double* a, const double* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

template <class Acc, class Out>
inline __attribute__((always_inline)) void scale_row_body(const Acc* x, const Acc* w, Acc rstd, Out* y, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) y[i] = static_cast<Out>(x[i] * rstd * w[i]);
}
template <class Acc, class Out>
void scale_row(const Acc* x, const Acc* w, Acc rstd, Out* y, int64_t count) {
  scale_row_body(x, w, rstd, y, count);
}
DISTILL_SIMD void scale_row(const float* x, const float* w, float rstd, float* y, int64_t count) {
  scale_row_body(x, w, rstd, y, count);
}

// dx = rstd * (g w) - x * rstd^3 * mean(g w x); dw += g x rstd. `gw` is scratch for one row.
template <class Acc, class Grad>
inline __attribute__((always_inline)) void backward_row_body(const Acc* x, const Acc* w, const Grad* g, Acc rstd, Acc* dx,
                                                             Acc* dw, int64_t count) {
  Acc sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += static_cast<Acc>(g[i]) * w[i] * x[i];
  const Acc pull = rstd * rstd * rstd * sum / static_cast<Acc>(count);
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const Acc grad = static_cast<Acc>(g[i]);
    dx[i] = rstd * grad * w[i] - x[i] * pull;
    dw[i] += grad * x[i] * rstd;
  }
}
template <class Acc, class Grad>
void backward_row(const Acc* x, const Acc* w, const Grad* g, Acc rstd, Acc* dx, Acc* dw, int64_t count) {
  backward_row_body(x, w, g, rstd, dx, dw, count);
}
DISTILL_SIMD void backward_row(const float* x, const float* w, const float* g, float rstd, float* dx, float* dw, int64_t count) {
  backward_row_body(x, w, g, rstd, dx, dw, count);
}

template <class Acc, class Out>
void forward_rows(const at::Tensor& x_ND, const at::Tensor& w_D, double eps, at::Tensor& y_ND, at::Tensor& rstd_N) {
  const int64_t size = x_ND.size(1);
  const Acc* x = x_ND.const_data_ptr<Acc>();
  const Acc* w = w_D.const_data_ptr<Acc>();
  Out* y = y_ND.mutable_data_ptr<Out>();
  Acc* rstd = rstd_N.mutable_data_ptr<Acc>();
  at::parallel_for(0, x_ND.size(0), 1 + 16384 / size, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const Acc* from = x + row * size;
      const Acc mean_square = dot(from, from, size) / static_cast<Acc>(size);
      rstd[row] = Acc(1) / std::sqrt(mean_square + static_cast<Acc>(eps));
      scale_row(from, w, rstd[row], y + row * size, size);
    }
  });
}

template <class Acc, class Grad>
void backward_rows(const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& g_ND, const at::Tensor& rstd_N,
                   at::Tensor& dx_ND, at::Tensor& partials_PD) {
  const int64_t size = x_ND.size(1), rows = x_ND.size(0), share = (rows + kPartials - 1) / kPartials;
  const Acc* x = x_ND.const_data_ptr<Acc>();
  const Acc* w = w_D.const_data_ptr<Acc>();
  const Grad* g = g_ND.const_data_ptr<Grad>();
  const Acc* rstd = rstd_N.const_data_ptr<Acc>();
  Acc* dx = dx_ND.mutable_data_ptr<Acc>();
  Acc* partials = partials_PD.mutable_data_ptr<Acc>();
  at::parallel_for(0, kPartials, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part)
      for (int64_t row = part * share; row < std::min(rows, (part + 1) * share); ++row)
        backward_row(x + row * size, w, g + row * size, rstd[row], dx + row * size, partials + part * size, size);
  });
}

struct NormInput {
  at::Tensor x_ND, weight_D;  // in the accumulation type, contiguous, the 1 added
};

NormInput prepare(const at::Tensor& x, const at::Tensor& weight_D, bool plus_one) {
  const at::ScalarType type = accumulate_type(x);
  at::Tensor weight = weight_D.to(type);
  return {x.to(type).reshape({-1, x.size(-1)}).contiguous(), plus_one ? weight + 1 : weight.contiguous()};
}

at::Tensor forward_cpu(const NormInput& in, double eps, at::ScalarType out_dtype, at::Tensor& rstd_N) {
  at::Tensor y_ND = at::empty(in.x_ND.sizes(), in.x_ND.options().dtype(out_dtype));
  rstd_N = at::empty({in.x_ND.size(0)}, in.x_ND.options());
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, out_dtype, "rms_norm", [&] {
    if (in.x_ND.scalar_type() == at::kDouble) {
      forward_rows<double, scalar_t>(in.x_ND, in.weight_D, eps, y_ND, rstd_N);
    } else {
      forward_rows<float, scalar_t>(in.x_ND, in.weight_D, eps, y_ND, rstd_N);
    }
  });
  return y_ND;
}

at::Tensor forward_any(const NormInput& in, double eps, at::ScalarType out_dtype, at::Tensor& rstd_N) {
  const at::Tensor rstd_N1 = in.x_ND.square().mean(-1, true).add_(eps).rsqrt_();
  rstd_N = rstd_N1.squeeze(-1);
  return (in.x_ND * rstd_N1).mul_(in.weight_D).to(out_dtype);
}

std::pair<at::Tensor, at::Tensor> backward_cpu(const NormInput& in, const at::Tensor& g_ND, const at::Tensor& rstd_N) {
  at::Tensor dx_ND = at::empty_like(in.x_ND);
  at::Tensor partials_PD = at::zeros({kPartials, in.x_ND.size(1)}, in.x_ND.options());
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, g_ND.scalar_type(), "rms_norm_backward", [&] {
    if (in.x_ND.scalar_type() == at::kDouble) {
      backward_rows<double, scalar_t>(in.x_ND, in.weight_D, g_ND, rstd_N, dx_ND, partials_PD);
    } else {
      backward_rows<float, scalar_t>(in.x_ND, in.weight_D, g_ND, rstd_N, dx_ND, partials_PD);
    }
  });
  return {dx_ND, partials_PD.sum(0)};
}

std::pair<at::Tensor, at::Tensor> backward_any(const NormInput& in, const at::Tensor& g_ND, const at::Tensor& rstd_N) {
  const at::Tensor grad = g_ND.to(in.x_ND.scalar_type());
  const at::Tensor unit_ND = in.x_ND * rstd_N.unsqueeze(-1);
  const at::Tensor weighted_ND = grad * in.weight_D;
  const at::Tensor pull_N1 = (weighted_ND * unit_ND).mean(-1, true);
  return {(weighted_ND - unit_ND * pull_N1).mul_(rstd_N.unsqueeze(-1)), (grad * unit_ND).sum(0)};
}

struct RmsNormFunction : torch::autograd::Function<RmsNormFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& weight_D,
                            double eps, bool plus_one, at::ScalarType out_dtype) {
    const NormInput in = prepare(x, weight_D, plus_one);
    at::Tensor rstd_N;
    const bool on_cpu = x.device().is_cpu();
    const at::Tensor y_ND = on_cpu ? forward_cpu(in, eps, out_dtype, rstd_N) : forward_any(in, eps, out_dtype, rstd_N);
    context->saved_data["plus_one"] = plus_one;
    context->save_for_backward({x, weight_D, rstd_N});
    return y_ND.view(x.sizes());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight_D = saved[1], &rstd_N = saved[2];
    const NormInput in = prepare(x, weight_D, context->saved_data["plus_one"].toBool());
    const at::Tensor g_ND = grads[0].reshape({-1, x.size(-1)}).contiguous();
    const auto [dx_ND, dw_D] = x.device().is_cpu() ? backward_cpu(in, g_ND, rstd_N) : backward_any(in, g_ND, rstd_N);
    return {dx_ND.view(x.sizes()).to(x.scalar_type()), dw_D.to(weight_D.scalar_type()), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight_D, double eps, bool plus_one, at::ScalarType out_dtype) {
  TORCH_CHECK(weight_D.dim() == 1 && weight_D.size(0) == x.size(-1), "rms_norm: weight ", weight_D.sizes(), " for rows of ",
              x.size(-1));
  return RmsNormFunction::apply(x, weight_D, eps, plus_one, out_dtype);
}

}  // namespace distill
