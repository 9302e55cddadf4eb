// RMS norm and layer norm against the plain composition in float64, value and gradient.
#include "distill/kernels/row_norm.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include "device_twin.h"

using namespace distill;
using namespace distill::testing_kernels;

namespace {

enum class Kind { rms, rms_plus_one, layer, layer_without_bias };
constexpr Kind kKinds[] = {Kind::rms, Kind::rms_plus_one, Kind::layer, Kind::layer_without_bias};

struct Inputs {
  at::Tensor x, weight, bias;
};

Inputs make_inputs(std::vector<int64_t> shape, at::ScalarType x_type, at::ScalarType weight_type) {
  const at::Tensor x = at::randn(shape, at::kDouble) * 2 + 0.5;
  return {x.to(x_type), at::randn({shape.back()}, at::kDouble).to(weight_type),
          at::randn({shape.back()}, at::kDouble).to(weight_type)};
}
Inputs leaves(const Inputs& in, at::Device device, std::optional<at::ScalarType> type = {}) {
  const auto leaf = [&](const at::Tensor& t) { return leaf_on(type ? t.to(*type) : t.clone(), device); };
  return {leaf(in.x), leaf(in.weight), leaf(in.bias)};
}

at::Tensor ours(const Inputs& in, Kind kind, double eps, at::ScalarType out) {
  if (kind == Kind::layer) return layer_norm(in.x, in.weight, in.bias, eps, out);
  if (kind == Kind::layer_without_bias) return layer_norm(in.x, in.weight, {}, eps, out);
  return rms_norm(in.x, in.weight, eps, kind == Kind::rms_plus_one, out);
}

at::Tensor plain(const Inputs& in, Kind kind, double eps) {
  const bool centred = kind == Kind::layer || kind == Kind::layer_without_bias;
  const at::Tensor x = centred ? in.x - in.x.mean(-1, true) : in.x;
  const at::Tensor unit = x / (x.square().mean(-1, true) + eps).sqrt();
  if (kind == Kind::layer) return unit * in.weight + in.bias;
  return unit * (kind == Kind::rms_plus_one ? in.weight + 1 : in.weight);
}

struct Answer {
  at::Tensor y, x, weight, bias;
};
Answer differentiate(const at::Tensor& y, const at::Tensor& g, const Inputs& in, Kind kind) {
  std::vector<at::Tensor> inputs{in.x, in.weight};
  if (kind == Kind::layer) inputs.push_back(in.bias);
  const auto grads = torch::autograd::grad({y}, inputs, {g.to(y.options())});
  return {y.detach(), grads[0], grads[1], kind == Kind::layer ? grads[2] : at::zeros({1})};
}

void expect_near(const Answer& found, const Answer& wanted, double bound, double rows, const std::string& what) {
  EXPECT_LT(largest_difference(found.y, wanted.y), bound) << what;
  EXPECT_LT(largest_difference(found.x, wanted.x), bound) << what;
  EXPECT_LT(largest_difference(found.weight, wanted.weight), bound * (1 + rows)) << what;
  EXPECT_LT(largest_difference(found.bias, wanted.bias), bound * (1 + rows)) << what;
}

TEST(RowNorm, EqualsTheFloat64TwinInEveryTypeAndAtOddSizes) {
  at::manual_seed(1);
  const std::vector<int64_t> shapes[] = {{3, 7, 37}, {1, 1}, {0, 5}, {700, 3}, {2, 64}, {5, 130}, {2, 1500}};
  for (const Kind kind : kKinds)
    for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16})
      for (const auto& shape : shapes) {
        const Inputs in = make_inputs(shape, type, type);
        const at::Tensor g = at::randn(shape).to(type);
        const Inputs wide = leaves(in, at::kCPU, at::kDouble), own = leaves(in, at::kCPU);
        std::ostringstream what;
        what << static_cast<int>(kind) << " " << type << " " << shape;
        expect_near(differentiate(ours(own, kind, 1e-3, type), g, own, kind),
                    differentiate(plain(wide, kind, 1e-3), g.to(at::kDouble), wide, kind), 40 * rounding(type),
                    static_cast<double>(in.x.numel() / shape.back()), what.str());
      }
}

TEST(RowNorm, LowPrecisionOutputsAndWeightsKeepFloat32Inside) {
  at::manual_seed(2);
  for (const Kind kind : kKinds) {
    const Inputs in = leaves(make_inputs({5, 64}, at::kFloat, at::kBFloat16), at::kCPU);
    const at::Tensor y = ours(in, kind, 1e-6, at::kBFloat16);
    const Inputs wide = leaves(in, at::kCPU, at::kDouble);
    EXPECT_EQ(y.scalar_type(), at::kBFloat16);
    EXPECT_LT(((y.to(at::kDouble) - plain(wide, kind, 1e-6)).abs() / (plain(wide, kind, 1e-6).abs() + 1e-3)).max().item<double>(),
              4e-3)
        << "one rounding to bfloat16";
    const Answer found = differentiate(y, at::ones_like(y), in, kind);
    EXPECT_EQ(found.x.scalar_type(), at::kFloat);
    EXPECT_EQ(found.weight.scalar_type(), at::kBFloat16);
  }
}

TEST(RowNorm, ARowOfEqualNumbersIsCentredToTheBias) {
  const at::Tensor x = at::full({2, 9}, 3.0), weight = at::ones({9}), bias = at::full({9}, 0.25);
  EXPECT_TRUE(at::equal(layer_norm(x, weight, bias, 1e-6, at::kFloat), at::full({2, 9}, 0.25)));
}

TEST(RowNorm, BitsDoNotDependOnTheNumberOfThreads) {
  at::manual_seed(3);
  for (const Kind kind : kKinds) {
    const Inputs in = leaves(make_inputs({513, 48}, at::kFloat, at::kFloat), at::kCPU);
    const at::Tensor g = at::randn({513, 48});
    const int threads = at::get_num_threads();
    at::set_num_threads(1);
    const Answer one = differentiate(ours(in, kind, 1e-6, at::kFloat), g, in, kind);
    at::set_num_threads(2);
    const Answer two = differentiate(ours(in, kind, 1e-6, at::kFloat), g, in, kind);
    at::set_num_threads(threads);
    EXPECT_TRUE(at::equal(one.y, two.y) && at::equal(one.x, two.x) && at::equal(one.weight, two.weight) &&
                at::equal(one.bias, two.bias));
  }
}

TEST(RowNorm, GpuEqualsCpuAndItself_CUDA) {
  if (!has_cuda()) GTEST_SKIP() << "needs a CUDA GPU: " << why_no_cuda().reason;
  at::manual_seed(4);
  for (const Kind kind : kKinds)
    for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16})
      for (const auto& shape : {std::vector<int64_t>{3, 7, 37}, {1, 1}, {0, 5}, {513, 130}, {5, 1500}}) {
        const Inputs in = make_inputs(shape, type, at::kFloat), cpu = leaves(in, at::kCPU), gpu = leaves(in, at::kCUDA);
        const at::Tensor g = at::randn(shape).to(type);
        const Answer found = differentiate(ours(gpu, kind, 1e-5, type), g.to(at::kCUDA), gpu, kind);
        expect_near(found, differentiate(ours(cpu, kind, 1e-5, type), g, cpu, kind), 40 * rounding(type),
                    static_cast<double>(shape[0]), "GPU");
        const Answer again = differentiate(ours(gpu, kind, 1e-5, type), g.to(at::kCUDA), gpu, kind);
        EXPECT_TRUE(at::equal(found.x, again.x) && at::equal(found.weight, again.weight) && at::equal(found.bias, again.bias));
      }
}

}  // namespace
