// Counts the bytes of every tensor on the CPU, to the byte, while it lives: what a plan is held against. Process-wide, so that
// the threads of a backward pass count too.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace distill::test {

// From its first use on every tensor on the CPU comes from here. Never destroyed: tensors may live as long as the process.
class CountingAllocator : public c10::Allocator {
 public:
  static CountingAllocator& get() {
    static auto* allocator = new CountingAllocator;
    return *allocator;
  }

  c10::DataPtr allocate(size_t bytes) override {
    c10::DataPtr block = inner_->allocate(bytes);
    const c10::Device device = block.device();
    void* data = block.release_context();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (data) sizes_[data] = bytes;
    live_ += bytes;
    peak_ = std::max(peak_, live_);
    return {data, data, &release, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

  // What lives now becomes the peak.
  void reset_peak() { peak_ = live_; }
  uint64_t live_bytes() const { return live_; }
  uint64_t peak_bytes() const { return peak_; }

 private:
  static constexpr uint8_t kPriority = 200;  // above those that torch uses

  CountingAllocator() : inner_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(this, kPriority); }

  static void release(void* data) {
    get().forget(data);
    get().inner_->raw_deleter()(data);
  }
  void forget(void* data) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = sizes_.find(data);
    if (found == sizes_.end()) return;
    live_ -= found->second;
    sizes_.erase(found);
  }

  c10::Allocator* inner_;
  std::mutex mutex_;
  uint64_t live_ = 0, peak_ = 0;
  std::unordered_map<void*, size_t> sizes_;
};

}  // namespace distill::test
