#include "distill/tensor/device.h"

#include <gtest/gtest.h>

#include "distill/core/error.h"

namespace distill {
namespace {

TEST(Device, ReadsItsWords) {
  EXPECT_EQ(parse_device("cpu"), at::Device(at::kCPU));
  EXPECT_EQ(parse_device("auto").is_cuda(), has_cuda());
  EXPECT_EQ(device_word(at::Device(at::kCUDA, 1)), "cuda:1");
}

TEST(Device, RefusesOtherWordsAsAMistakeOfTheUser) {
  for (const char* word : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1000", "CPU", "cpu:0", "cuda0", "mps"})
    EXPECT_THROW(parse_device(word), RecipeError) << word;
}

TEST(Device, SaysWhyAGpuIsMissingAndWhatToDo) {
  if (has_cuda()) GTEST_SKIP() << "this machine has a GPU";
  try {
    parse_device("cuda");
    FAIL() << "no error";
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::no_device);
    EXPECT_EQ(error.complaints().front().found, why_no_cuda().reason);
    EXPECT_NE(error.complaints().front().advice.find("--device cpu"), std::string::npos);
  }
}

TEST(Device, RefusesAnIndexBeyondTheLastGpu_CUDA) {
  if (!has_cuda()) GTEST_SKIP() << "needs a CUDA GPU: " << why_no_cuda().reason;
  EXPECT_EQ(parse_device("cuda"), at::Device(at::kCUDA, 0));
  EXPECT_THROW(parse_device("cuda:99"), DeviceError);
  EXPECT_TRUE(why_no_cuda().reason.empty());
}

}  // namespace
}  // namespace distill
