// Memory that runs out says where, what was asked for, what was free, and what to do.
#include "distill/tensor/memory_error.h"

#include <gmock/gmock.h>

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <new>

namespace distill {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kAdvice = "Lower train.batch_size.";

c10::OutOfMemoryError gpu_error(const std::string& words) { return {{__func__, __FILE__, __LINE__}, words}; }

// As torch 2.11 writes it, with a cap and without.
TEST(MemoryThatRunsOut, OfAGpuIsToldInOurOrder) {
  const auto complaint = memory_complaint(
      gpu_error(
          "CUDA out of memory. Tried to allocate 2.32 GiB. GPU 0 has a total capacity of 14.74 GiB of which 1.06 GiB is free. "
          "Including non-PyTorch memory, this process has 13.68 GiB memory in use. 14.00 GiB allowed; Of the allocated memory "
          "12.90 GiB is allocated by PyTorch, and 640.00 MiB is reserved by PyTorch but unallocated. If reserved but ..."),
      "update 12 (4 rows of 1024 tokens at once)", kAdvice);
  ASSERT_TRUE(complaint);
  EXPECT_EQ(
      complaint->text(),
      "GPU memory: expected enough for update 12 (4 rows of 1024 tokens at once), found 2.32 GiB asked for, 1.06 GiB of 14.74 "
      "GiB free, tensors of this run hold 12.90 GiB, 14.00 GiB allowed (per_process_memory_fraction).\n  -> Lower "
      "train.batch_size.");
  const auto without_cap = memory_complaint(
      gpu_error(
          "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 14.74 GiB of which 2.06 MiB is free. "
          "Process 7 has 14.7 GiB memory in use. Of the allocated memory 1.0 MiB is allocated by PyTorch, and ..."),
      "this command", kAdvice);
  ASSERT_TRUE(without_cap);
  EXPECT_EQ(without_cap->found, "20.00 MiB asked for, 2.06 MiB of 14.74 GiB free, tensors of this run hold 1.0 MiB");
}

TEST(MemoryThatRunsOut, OfAGpuInOtherWordsIsToldInThose) {
  const auto complaint =
      memory_complaint(gpu_error("CUDA out of memory. Tried to allocate more than 1EB memory."), "this", kAdvice);
  ASSERT_TRUE(complaint);
  EXPECT_EQ(complaint->found, "CUDA out of memory. Tried to allocate more than 1EB memory.");
}

TEST(MemoryThatRunsOut, OfTheHostIsToldWithWhatWasAskedForAndFree) {
  try {
    at::empty({int64_t{1} << 50}, at::kFloat);
    FAIL() << "4 PiB were there";
  } catch (const std::exception& error) {
    const auto complaint = memory_complaint(error, "update 1", kAdvice);
    ASSERT_TRUE(complaint) << error.what();
    EXPECT_EQ(complaint->where, "memory");
    EXPECT_EQ(complaint->expected, "enough for update 1");
    EXPECT_THAT(complaint->found, HasSubstr("4096.00 TiB asked for, "));
    EXPECT_THAT(complaint->found, HasSubstr(" free"));
    EXPECT_EQ(complaint->advice, kAdvice);
  }
  const auto without_size = memory_complaint(std::bad_alloc(), "update 1", kAdvice);
  ASSERT_TRUE(without_size);
  EXPECT_THAT(without_size->found, HasSubstr(" free"));
}

TEST(MemoryThatRunsOut, InsideAScriptIsStillThat) {
  const std::runtime_error error(
      "The following operation failed in the TorchScript interpreter.\nRuntimeError: [enforce fail at alloc_cpu.cpp:124] err == "
      "0. "
      "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4294967296 bytes. Error code 12 (Cannot allocate "
      "memory)");
  const auto complaint = memory_complaint(error, "this", kAdvice);
  ASSERT_TRUE(complaint);
  EXPECT_THAT(complaint->found, HasSubstr("4.00 GiB asked for"));
}

TEST(MemoryThatRunsOut, OtherErrorsPassAsTheyAre) {
  EXPECT_FALSE(memory_complaint(std::runtime_error("no such file"), "this", kAdvice));
  EXPECT_THROW(naming_memory("this", kAdvice, []() -> int { throw std::runtime_error("no such file"); }), std::runtime_error);
  EXPECT_THROW(naming_memory("this", kAdvice, []() -> int { throw Bug("out of memory"); }), Bug);
  EXPECT_THROW(naming_memory("this", kAdvice, []() -> int { throw std::bad_alloc(); }), MemoryError);
  EXPECT_EQ(naming_memory("this", kAdvice, [] { return 7; }), 7);
}

}  // namespace
}  // namespace distill
