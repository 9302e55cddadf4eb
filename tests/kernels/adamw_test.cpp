// AdamW in one walk against the update written out in float64.
#include "distill/kernels/adamw.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "device_twin.h"

using namespace distill;
using namespace distill::testing_kernels;

namespace {

at::Tensor scalar(double x, at::ScalarType type, at::Device device = at::kCPU) {
  return at::full({}, x, at::TensorOptions().dtype(type).device(device));
}

// Sizes around the borders of chunks and tables.
std::vector<AdamwTensors> make_tensors(at::ScalarType type, at::Device device, bool narrow = false) {
  at::manual_seed(1);
  std::vector<AdamwTensors> tensors;
  std::vector<int64_t> sizes{1, 0, 7, 8192, 8193, 70001};
  for (int64_t i = 0; i < 40; ++i) sizes.push_back(3 + i);
  for (const int64_t size : sizes) {
    const auto filled = [&](double spread) { return (at::randn({size}, at::kDouble) * spread).to(type).to(device); };
    AdamwTensors one{filled(1), filled(1), filled(0.1), filled(0.1).square(), {}, size % 2 == 0 ? 0.1 : 0.0};
    if (narrow) one.narrow = at::zeros({size}, one.weight.options().dtype(at::kBFloat16));
    tensors.push_back(one);
  }
  return tensors;
}

std::vector<AdamwTensors> copy_of(const std::vector<AdamwTensors>& tensors, at::ScalarType type, at::Device device) {
  std::vector<AdamwTensors> copies;
  const auto copy = [&](const at::Tensor& t) { return t.to(device, type, false, /*copy=*/true); };
  for (const AdamwTensors& one : tensors)
    copies.push_back(
        {copy(one.weight), copy(one.gradient), copy(one.first_moment), copy(one.second_moment), {}, one.weight_decay});
  return copies;
}

AdamwStep make_step(double number, double factor, double found_inf, at::Device device = at::kCPU) {
  return {1e-2,
          0.9,
          0.99,
          1e-8,
          scalar(number, at::kFloat, device),
          scalar(factor, at::kDouble, device),
          scalar(found_inf, at::kFloat, device)};
}

void plain_step(std::vector<AdamwTensors>& tensors, double number, double factor) {
  for (AdamwTensors& one : tensors) {
    const at::Tensor g = one.gradient * factor;
    one.first_moment = one.first_moment * 0.9 + g * 0.1;
    one.second_moment = one.second_moment * 0.99 + g * g * 0.01;
    const at::Tensor m_hat = one.first_moment / (1 - std::pow(0.9, number));
    const at::Tensor v_hat = one.second_moment / (1 - std::pow(0.99, number));
    one.weight = one.weight * (1 - 1e-2 * one.weight_decay) - 1e-2 * m_hat / (v_hat.sqrt() + 1e-8);
  }
}

void expect_near(const std::vector<AdamwTensors>& found, const std::vector<AdamwTensors>& wanted, double bound) {
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(largest_difference(found[i].weight, wanted[i].weight), bound) << i;
    EXPECT_LT(largest_difference(found[i].first_moment, wanted[i].first_moment), bound) << i;
    EXPECT_LT(largest_difference(found[i].second_moment, wanted[i].second_moment), bound) << i;
  }
}

bool same_bits(const std::vector<AdamwTensors>& a, const std::vector<AdamwTensors>& b) {
  bool same = true;
  for (size_t i = 0; i < a.size(); ++i)
    same = same && at::equal(a[i].weight, b[i].weight) && at::equal(a[i].first_moment, b[i].first_moment) &&
           at::equal(a[i].second_moment, b[i].second_moment);
  return same;
}

TEST(Adamw, EqualsTheUpdateWrittenOutInFloat64AndLeavesGradientsAtZero) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble})
    for (const double number : {1.0, 7.0, 3000.0}) {
      std::vector<AdamwTensors> tensors = make_tensors(type, at::kCPU), plain = copy_of(tensors, at::kDouble, at::kCPU);
      adamw_(tensors, make_step(number, 0.25, 0));
      plain_step(plain, number, 0.25);
      expect_near(tensors, plain, type == at::kFloat ? 2e-6 : 1e-14);
      for (const AdamwTensors& one : tensors) EXPECT_FALSE(one.gradient.any().item<bool>());
    }
}

TEST(Adamw, ASkippedUpdateMovesNoBitButEmptiesTheGradients) {
  std::vector<AdamwTensors> tensors = make_tensors(at::kFloat, at::kCPU, true);
  const std::vector<AdamwTensors> before = copy_of(tensors, at::kFloat, at::kCPU);
  for (const AdamwTensors& one : tensors) one.gradient.fill_(INFINITY);
  adamw_(tensors, make_step(3, 1, 1));
  EXPECT_TRUE(same_bits(tensors, before));
  for (const AdamwTensors& one : tensors) EXPECT_FALSE(one.gradient.any().item<bool>() || one.narrow.any().item<bool>());
}

TEST(Adamw, WritesTheNarrowCopyOfTheNewWeight) {
  std::vector<AdamwTensors> tensors = make_tensors(at::kFloat, at::kCPU, true);
  adamw_(tensors, make_step(3, 1, 0));
  for (const AdamwTensors& one : tensors) EXPECT_TRUE(at::equal(one.narrow, one.weight.to(one.narrow.scalar_type())));
}

TEST(Adamw, BitsDoNotDependOnTheNumberOfThreads) {
  std::vector<AdamwTensors> one = make_tensors(at::kFloat, at::kCPU), two = copy_of(one, at::kFloat, at::kCPU);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  adamw_(one, make_step(2, 0.5, 0));
  at::set_num_threads(2);
  adamw_(two, make_step(2, 0.5, 0));
  at::set_num_threads(threads);
  EXPECT_TRUE(same_bits(one, two));
}

TEST(Adamw, TensorsThatDoNotMatchAreRefused) {
  std::vector<AdamwTensors> tensors = make_tensors(at::kFloat, at::kCPU);
  tensors[3].gradient = at::zeros({2, 4096}).t();
  EXPECT_THROW(adamw_(tensors, make_step(1, 1, 0)), c10::Error);
}

TEST(Adamw, GpuEqualsCpu_CUDA) {
  if (!has_cuda()) GTEST_SKIP() << "needs a CUDA GPU: " << why_no_cuda().reason;
  for (const at::ScalarType type : {at::kFloat, at::kDouble})
    for (const double skipped : {0.0, 1.0}) {
      std::vector<AdamwTensors> cpu = make_tensors(type, at::kCPU), gpu = copy_of(cpu, type, at::kCUDA);
      for (AdamwTensors& one : gpu) one.narrow = at::zeros_like(one.weight, one.weight.options().dtype(at::kHalf));
      adamw_(cpu, make_step(5, 0.25, skipped));
      adamw_(gpu, make_step(5, 0.25, skipped, at::kCUDA));
      expect_near(gpu, cpu, type == at::kFloat ? 2e-6 : 1e-14);
      for (const AdamwTensors& one : gpu) {
        EXPECT_FALSE(one.gradient.any().item<bool>());
        if (skipped == 0) {
          EXPECT_TRUE(at::equal(one.narrow, one.weight.to(at::kHalf)));
        }
      }
    }
}

}  // namespace
