// RMS norm and layer norm: checks, CPU loops over rows, and the autograd node.
#include "distill/kernels/row_norm.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "cuda_call.h"
#include "row_norm_cuda.h"
#include "row_norm_math.h"
#include "simd.h"

namespace distill {
namespace {

enum class NormType : int64_t { rms, rms_plus_one, layer };

// Partial sums of the weight's gradient: a fixed number, so that bits do not depend on the number of threads.
constexpr int64_t kParts = 16;

at::ScalarType accumulate_type(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

// Sum of x, and of (x - mean)^2.
template <class Acc>
inline __attribute__((always_inline)) Acc sum_body(const Acc* x, int64_t count) {
  Acc sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += x[i];
  return sum;
}
template <class Acc>
inline __attribute__((always_inline)) Acc squares_body(const Acc* x, Acc mean, int64_t count) {
  Acc sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += (x[i] - mean) * (x[i] - mean);
  return sum;
}
DISTILL_SIMD float sum_of(const float* x, int64_t count) { return sum_body(x, count); }
double sum_of(const double* x, int64_t count) { return sum_body(x, count); }
DISTILL_SIMD float squares_of(const float* x, float mean, int64_t count) { return squares_body(x, mean, count); }
double squares_of(const double* x, double mean, int64_t count) { return squares_body(x, mean, count); }

template <class Acc, class Out>
inline __attribute__((always_inline)) void normalise_row_body(const Acc* x, const Acc* w, const Acc* b, Acc mean, Acc rstd,
                                                              Out* y, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) y[i] = static_cast<Out>(normed(x[i], mean, rstd, w[i], b[i]));
}
template <class Acc, class Out>
void normalise_row(const Acc* x, const Acc* w, const Acc* b, Acc mean, Acc rstd, Out* y, int64_t count) {
  normalise_row_body(x, w, b, mean, rstd, y, count);
}
DISTILL_SIMD void normalise_row(const float* x, const float* w, const float* b, float mean, float rstd, float* y, int64_t count) {
  normalise_row_body(x, w, b, mean, rstd, y, count);
}
DISTILL_SIMD void normalise_row(const float* x, const float* w, const float* b, float mean, float rstd, c10::BFloat16* y,
                                int64_t count) {
  normalise_row_body(x, w, b, mean, rstd, y, count);
}

// Where the gradients of one row go: dw and db are added to.
template <class Acc>
struct RowGradients {
  Acc *dx, *dw, *db;
};

template <class Acc, class Grad>
inline __attribute__((always_inline)) void backward_row_body(const Acc* x, const Acc* w, const Grad* g, NormPull<Acc> pull,
                                                             bool centred, const RowGradients<Acc>& to, int64_t count) {
  Acc along_one = 0, along_unit = 0;
#pragma omp simd reduction(+ : along_one, along_unit)
  for (int64_t i = 0; i < count; ++i) {
    const Acc weighted = static_cast<Acc>(g[i]) * w[i];
    along_one += weighted;
    along_unit += weighted * (x[i] - pull.mean) * pull.rstd;
  }
  pull.along_one = centred ? along_one / static_cast<Acc>(count) : Acc(0);
  pull.along_unit = along_unit / static_cast<Acc>(count);
  Acc *dx = to.dx, *dw = to.dw, *db = to.db;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const Acc grad = static_cast<Acc>(g[i]);
    dx[i] = normed_gradient(x[i], w[i], grad, pull);
    dw[i] += grad * (x[i] - pull.mean) * pull.rstd;
  }
  if (!centred) return;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) db[i] += static_cast<Acc>(g[i]);
}
template <class Acc, class Grad>
void backward_row(const Acc* x, const Acc* w, const Grad* g, const NormPull<Acc>& pull, bool centred, const RowGradients<Acc>& to,
                  int64_t count) {
  backward_row_body(x, w, g, pull, centred, to, count);
}
DISTILL_SIMD void backward_row(const float* x, const float* w, const float* g, const NormPull<float>& pull, bool centred,
                               const RowGradients<float>& to, int64_t count) {
  backward_row_body(x, w, g, pull, centred, to, count);
}
DISTILL_SIMD void backward_row(const float* x, const float* w, const c10::BFloat16* g, const NormPull<float>& pull, bool centred,
                               const RowGradients<float>& to, int64_t count) {
  backward_row_body(x, w, g, pull, centred, to, count);
}

// One call's tensors; x contiguous.
struct NormCall {
  at::Tensor x_ND, weight_D, bias_D;
  at::Tensor mean_N, rstd_N;  // mean undefined in an RMS norm
  double eps = 0;
  NormType type = NormType::rms;

  bool centred() const { return type == NormType::layer; }
  NormRows raw() const {
    return {source_of(x_ND),
            source_of(weight_D),
            source_of(bias_D),
            centred() ? mean_N.mutable_data_ptr() : nullptr,
            rstd_N.mutable_data_ptr(),
            x_ND.size(0),
            x_ND.size(1),
            eps,
            type == NormType::rms_plus_one,
            accumulate_type(x_ND) == at::kDouble};
  }
};

// The same in the type of the arithmetic: what CPU loops read. The 1 is added, a bias is always there.
NormCall widened(const NormCall& call) {
  const at::ScalarType type = accumulate_type(call.x_ND);
  NormCall wide = call;
  wide.x_ND = call.x_ND.to(type);
  wide.weight_D = call.weight_D.to(type).contiguous();
  if (call.type == NormType::rms_plus_one) wide.weight_D = wide.weight_D + 1;
  wide.bias_D = call.bias_D.defined() ? call.bias_D.to(type).contiguous() : at::zeros_like(wide.weight_D);
  return wide;
}

template <class Acc, class Out>
void forward_rows(const NormCall& call, at::Tensor& y_ND) {
  const int64_t size = call.x_ND.size(1);
  const Acc *x = call.x_ND.const_data_ptr<Acc>(), *w = call.weight_D.const_data_ptr<Acc>(),
            *b = call.bias_D.const_data_ptr<Acc>();
  Out* y = y_ND.mutable_data_ptr<Out>();
  Acc* rstd = call.rstd_N.mutable_data_ptr<Acc>();
  Acc* means = call.centred() ? call.mean_N.mutable_data_ptr<Acc>() : nullptr;
  at::parallel_for(0, call.x_ND.size(0), 1 + 16384 / size, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const Acc* from = x + row * size;
      const Acc mean = means ? sum_of(from, size) / static_cast<Acc>(size) : Acc(0);
      const Acc variance = squares_of(from, mean, size) / static_cast<Acc>(size);
      rstd[row] = Acc(1) / std::sqrt(variance + static_cast<Acc>(call.eps));
      if (means) means[row] = mean;
      normalise_row(from, w, b, mean, rstd[row], y + row * size, size);
    }
  });
}

struct NormGradients {
  at::Tensor dx_ND, weight_parts_PD, bias_parts_PD;
};

template <class Acc, class Grad>
void backward_rows(const NormCall& call, const at::Tensor& g_ND, const NormGradients& to) {
  const int64_t size = call.x_ND.size(1), rows = call.x_ND.size(0), share = (rows + kParts - 1) / kParts;
  const Acc *x = call.x_ND.const_data_ptr<Acc>(), *w = call.weight_D.const_data_ptr<Acc>();
  const Grad* g = g_ND.const_data_ptr<Grad>();
  const Acc* rstd = call.rstd_N.const_data_ptr<Acc>();
  const Acc* means = call.centred() ? call.mean_N.const_data_ptr<Acc>() : nullptr;
  const RowGradients<Acc> all{to.dx_ND.mutable_data_ptr<Acc>(), to.weight_parts_PD.mutable_data_ptr<Acc>(),
                              means ? to.bias_parts_PD.mutable_data_ptr<Acc>() : nullptr};
  at::parallel_for(0, kParts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part)
      for (int64_t row = part * share; row < std::min(rows, (part + 1) * share); ++row) {
        const NormPull<Acc> pull{means ? means[row] : Acc(0), rstd[row], 0, 0};
        backward_row(x + row * size, w, g + row * size, pull, means != nullptr,
                     {all.dx + row * size, all.dw + part * size, means ? all.db + part * size : nullptr}, size);
      }
  });
}

at::Tensor forward_cpu(const NormCall& narrow, at::ScalarType out_dtype) {
  const NormCall call = widened(narrow);
  at::Tensor y_ND = at::empty(call.x_ND.sizes(), call.x_ND.options().dtype(out_dtype));
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, out_dtype, "row_norm", [&] {
    call.x_ND.scalar_type() == at::kDouble ? forward_rows<double, scalar_t>(call, y_ND)
                                           : forward_rows<float, scalar_t>(call, y_ND);
  });
  return y_ND;
}

at::Tensor forward_cuda(const NormCall& call, at::ScalarType out_dtype) {
  at::Tensor y_ND = at::empty(call.x_ND.sizes(), call.x_ND.options().dtype(out_dtype));
  const CudaCall on(call.x_ND);
  check_launch(launch_norm_forward(call.raw(), sink_of(y_ND), on.stream()), "row_norm");
  return y_ND;
}

NormGradients room_for_gradients(const NormCall& call, at::ScalarType dx_dtype) {
  const auto options = call.rstd_N.options();
  NormGradients to{at::empty(call.x_ND.sizes(), options.dtype(dx_dtype)), at::zeros({kParts, call.x_ND.size(1)}, options), {}};
  if (call.centred()) to.bias_parts_PD = at::zeros({kParts, call.x_ND.size(1)}, options);
  return to;
}

NormGradients backward_cpu(const NormCall& narrow, const at::Tensor& g_ND) {
  const NormCall call = widened(narrow);
  const NormGradients to = room_for_gradients(call, call.x_ND.scalar_type());
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, g_ND.scalar_type(), "row_norm_backward", [&] {
    call.x_ND.scalar_type() == at::kDouble ? backward_rows<double, scalar_t>(call, g_ND, to)
                                           : backward_rows<float, scalar_t>(call, g_ND, to);
  });
  return to;
}

NormGradients backward_cuda(const NormCall& call, const at::Tensor& g_ND) {
  const NormGradients to = room_for_gradients(call, call.x_ND.scalar_type());
  const CudaCall on(call.x_ND);
  check_launch(launch_norm_backward(call.raw(), source_of(g_ND), sink_of(to.dx_ND), sink_of(to.weight_parts_PD),
                                    sink_of(to.bias_parts_PD), kParts, on.stream()),
               "row_norm_backward");
  return to;
}

struct RowNormFunction : torch::autograd::Function<RowNormFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& weight_D,
                            const std::optional<at::Tensor>& bias_D, double eps, int64_t type, at::ScalarType out_dtype) {
    NormCall call{x.reshape({-1, x.size(-1)}).contiguous(),
                  weight_D.contiguous(),
                  bias_D.value_or(at::Tensor()),
                  {},
                  {},
                  eps,
                  static_cast<NormType>(type)};
    const auto options = x.options().dtype(accumulate_type(x)).requires_grad(false);
    call.rstd_N = at::empty({call.x_ND.size(0)}, options);
    if (call.centred()) call.mean_N = at::empty({call.x_ND.size(0)}, options);
    const at::Tensor y_ND = x.device().is_cpu() ? forward_cpu(call, out_dtype) : forward_cuda(call, out_dtype);
    context->saved_data["type"] = type;
    context->save_for_backward({x, weight_D, call.bias_D, call.mean_N, call.rstd_N});
    return y_ND.view(x.sizes());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight_D = saved[1], &bias_D = saved[2];
    const NormCall call{x.reshape({-1, x.size(-1)}).contiguous(),
                        weight_D.contiguous(),
                        bias_D,
                        saved[3],
                        saved[4],
                        0,
                        static_cast<NormType>(context->saved_data["type"].toInt())};
    const at::Tensor g_ND = grads[0].reshape({-1, x.size(-1)}).contiguous();
    const NormGradients found = x.device().is_cpu() ? backward_cpu(call, g_ND) : backward_cuda(call, g_ND);
    const at::Tensor db_D = bias_D.defined() ? found.bias_parts_PD.sum(0).to(bias_D.scalar_type()) : at::Tensor();
    return {found.dx_ND.view(x.sizes()).to(x.scalar_type()),
            found.weight_parts_PD.sum(0).to(weight_D.scalar_type()),
            db_D,
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

at::Tensor row_norm(const at::Tensor& x, const at::Tensor& weight_D, const at::Tensor& bias_D, double eps, NormType type,
                    at::ScalarType out_dtype) {
  for (const at::Tensor& facts_D : {weight_D, bias_D})
    TORCH_CHECK(!facts_D.defined() || (facts_D.dim() == 1 && facts_D.size(0) == x.size(-1)), "row_norm: weight ", facts_D.sizes(),
                " for rows of ", x.size(-1));
  const std::optional<at::Tensor> bias = bias_D.defined() ? std::optional<at::Tensor>(bias_D) : std::nullopt;
  return RowNormFunction::apply(x, weight_D, bias, eps, static_cast<int64_t>(type), out_dtype);
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight_D, double eps, bool plus_one, at::ScalarType out_dtype) {
  return row_norm(x, weight_D, {}, eps, plus_one ? NormType::rms_plus_one : NormType::rms, out_dtype);
}

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight_D, const at::Tensor& bias_D, double eps,
                      at::ScalarType out_dtype) {
  return row_norm(x, weight_D, bias_D, eps, NormType::layer, out_dtype);
}

}  // namespace distill
