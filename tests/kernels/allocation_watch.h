// Watches what the CPU allocator hands out on this thread: the largest block and the number of blocks above a size.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <memory>

namespace distill::test {

class AllocationWatch {
 public:
  AllocationWatch() : record_(std::make_shared<Record>()), guard_(c10::DebugInfoKind::PROFILER_STATE, record_) {}
  int64_t largest_bytes() const { return record_->largest_bytes; }
  int64_t total_bytes() const { return record_->total_bytes; }

 private:
  struct Record : c10::MemoryReportingInfoBase {
    void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
      largest_bytes = std::max(largest_bytes, bytes);
      total_bytes += std::max<int64_t>(0, bytes);
    }
    bool memoryProfilingEnabled() const override { return true; }
    int64_t largest_bytes = 0;
    int64_t total_bytes = 0;
  };
  std::shared_ptr<Record> record_;
  c10::DebugInfoGuard guard_;
};

}  // namespace distill::test
