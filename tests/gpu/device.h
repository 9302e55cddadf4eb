// The device that these tests hold against the CPU: the first GPU. Without one they skip. DISTILL_CHECK_DEVICE=cpu rehearses them
// on the CPU: that shows that they run, and says nothing about a GPU.
#pragma once

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "distill/cli/run_parts.h"
#include "distill/core/units.h"
#include "distill/model/checkpointing.h"
#include "distill/tensor/device.h"
#include "distill/tensor/usage.h"

namespace distill::test {

inline bool rehearsal() {
  const char* device = std::getenv("DISTILL_CHECK_DEVICE");
  return device && std::string(device) == "cpu";
}

class OnDevice : public testing::Test {
 protected:
  void SetUp() override {
    if (!rehearsal() && !has_cuda()) GTEST_SKIP() << "no GPU here (" << why_no_cuda().reason << ")";
    install_saved_tensor_hooks();  // as the program does at its start
    choose_cuda_backends();
    device_ = rehearsal() ? at::Device(at::kCPU) : at::Device(at::kCUDA, 0);
    at::manual_seed(7);
  }
  // float16 everywhere, bfloat16 where the card computes it.
  std::vector<at::ScalarType> narrow_types() const {
    if (!rehearsal() && compute_capability(device_) < 80) return {at::kHalf};
    return {at::kHalf, at::kBFloat16};
  }

  at::Device device_ = at::kCPU;
};

// What the tables of scripts/gpu/check.sh show beside the name.
inline void figure(const std::string& name, double value) { testing::Test::RecordProperty(name, number_text(value)); }
inline void figure(const std::string& name, const std::string& text) { testing::Test::RecordProperty(name, text); }

// The largest difference over the largest reference value; NaN and infinities are never close to anything.
inline double far(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor a = found.detach().cpu().to(at::kDouble), b = expected.detach().cpu().to(at::kDouble);
  EXPECT_EQ(a.sizes(), b.sizes());
  if (a.numel() == 0) return 0;
  const double distance = ((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).item<double>();
  return std::isnan(distance) ? INFINITY : distance;
}

}  // namespace distill::test
