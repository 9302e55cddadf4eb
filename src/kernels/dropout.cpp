// Keyed dropout: checks, the CPU path, and the autograd node that draws the mask again in the backward pass.
#include "distill/kernels/dropout.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "cuda_call.h"
#include "dropout_cuda.h"
#include "dropout_hash.h"

namespace distill {
namespace {

struct Mask {
  at::Tensor row_keys_B;
  uint64_t noise_key, site, threshold;
  double factor;
};

DropoutShape shape_of(const at::Tensor& x) {
  if (x.dim() == 3) return {x.size(0), 1, x.size(1), x.size(2)};
  return {x.size(0), x.size(1), x.size(2), x.size(3)};
}

template <class Scalar>
void drop_rows(const at::Tensor& x, const Mask& mask, at::Tensor& y) {
  using Wide = std::conditional_t<std::is_same_v<Scalar, double>, double, float>;
  const DropoutShape shape = shape_of(x);
  const int64_t* row_keys = mask.row_keys_B.const_data_ptr<int64_t>();
  const Scalar* from = x.const_data_ptr<Scalar>();
  Scalar* to = y.mutable_data_ptr<Scalar>();
  const Wide factor = static_cast<Wide>(mask.factor);
  const int64_t lines = shape.batch * shape.planes * shape.rows;
  at::parallel_for(0, lines, 1 + 4096 / shape.columns, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      const int64_t batch = line / (shape.planes * shape.rows), plane = line / shape.rows % shape.planes, row = line % shape.rows;
      const uint64_t key = dropout_row_key(mask.noise_key, static_cast<uint64_t>(row_keys[batch]), mask.site);
      const uint64_t first = dropout_index(plane, row, 0);
      for (int64_t c = 0; c < shape.columns; ++c) {
        const bool keep = dropout_keeps(key, first + c, mask.threshold);
        to[line * shape.columns + c] =
            keep ? static_cast<Scalar>(static_cast<Wide>(from[line * shape.columns + c]) * factor) : Scalar(0);
      }
    }
  });
}

void drop_cuda(const at::Tensor& x, const Mask& mask, at::Tensor& y) {
  const CudaCall on(x);
  check_launch(launch_keyed_dropout(source_of(x), sink_of(y), shape_of(x), mask.row_keys_B.const_data_ptr<int64_t>(),
                                    mask.noise_key, mask.site, mask.threshold, mask.factor, on.stream()),
               "keyed_dropout");
}

at::Tensor drop(const at::Tensor& input, const Mask& mask) {
  const at::Tensor x = input.contiguous();
  at::Tensor y = at::empty_like(x);
  if (x.numel() == 0) return y;
  if (!x.device().is_cpu()) {
    drop_cuda(x, mask, y);
    return y;
  }
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, x.scalar_type(), "keyed_dropout",
                                  [&] { drop_rows<scalar_t>(x, mask, y); });
  return y;
}

struct DropoutFunction : torch::autograd::Function<DropoutFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& row_keys_B,
                            int64_t noise_key, int64_t site, int64_t threshold, double factor) {
    context->save_for_backward({row_keys_B});
    context->saved_data["noise_key"] = noise_key;
    context->saved_data["site"] = site;
    context->saved_data["threshold"] = threshold;
    context->saved_data["factor"] = factor;
    return drop(x, mask_of(*context, row_keys_B));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const at::Tensor dx = drop(grads[0], mask_of(*context, context->get_saved_variables()[0]));
    return {dx, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }

  static Mask mask_of(torch::autograd::AutogradContext& context, const at::Tensor& row_keys_B) {
    auto& data = context.saved_data;
    return {row_keys_B, static_cast<uint64_t>(data["noise_key"].toInt()), static_cast<uint64_t>(data["site"].toInt()),
            static_cast<uint64_t>(data["threshold"].toInt()), data["factor"].toDouble()};
  }
};

}  // namespace

at::Tensor keyed_dropout(const at::Tensor& x, double rate, const DropoutKey& key) {
  if (rate == 0) return x;
  TORCH_CHECK(rate > 0 && rate < 1, "keyed_dropout: rate ", rate, " is outside [0, 1)");
  TORCH_CHECK(x.dim() == 3 || x.dim() == 4, "keyed_dropout: three or four axes expected, found ", x.dim());
  for (int64_t axis = 1; axis < x.dim(); ++axis) TORCH_CHECK(x.size(axis) < (1 << 21), "keyed_dropout: axis of ", x.size(axis));
  TORCH_CHECK(key.row_keys_B.defined() && key.row_keys_B.numel() == x.size(0), "keyed_dropout: one key per row expected");
  const auto threshold = static_cast<int64_t>(rate * 4294967296.0);
  return DropoutFunction::apply(x, key.row_keys_B.contiguous(), static_cast<int64_t>(key.noise_key),
                                static_cast<int64_t>(key.site), threshold, 1 / (1 - rate));
}

}  // namespace distill
