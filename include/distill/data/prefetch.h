// A thread that prepares the next values ahead of whoever takes them. Knows nothing of data: it calls a function with
// 0, 1, 2, ... and keeps a bounded queue of the answers.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace distill {

template <class Value>
class Prefetcher {
 public:
  using Make = std::function<Value(int64_t)>;

  // `ahead` 0: no thread, values are made when they are asked for.
  Prefetcher(Make make, int64_t ahead) : make_(std::move(make)), ahead_(ahead) {}
  ~Prefetcher() { halt(); }
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  int64_t position() const { return position_; }

  void seek(int64_t position) {
    halt();
    position_ = position;
  }

  // The value at the position, then moves on. Throws what making it threw; the position stays, and the next call tries again.
  Value next() {
    if (ahead_ <= 0) {
      Value value = make_(position_);
      ++position_;
      return value;
    }
    if (!thread_.joinable()) start();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !ready_.empty() || failure_; });
    if (ready_.empty()) return fail(lock);
    Value value = std::move(ready_.front());
    ready_.pop_front();
    ++position_;
    changed_.notify_all();
    return value;
  }

 private:
  void start() {
    halting_ = false;
    failure_ = nullptr;
    thread_ = std::thread([this, first = position_] { work(first); });
  }

  [[noreturn]] Value fail(std::unique_lock<std::mutex>& lock) {
    const std::exception_ptr failure = failure_;
    lock.unlock();
    halt();
    std::rethrow_exception(failure);
  }

  void halt() {
    if (thread_.joinable()) {
      {
        const std::lock_guard lock(mutex_);
        halting_ = true;
      }
      changed_.notify_all();
      thread_.join();
    }
    ready_.clear();
  }

  void work(int64_t at) {
    try {
      for (;; ++at) {
        {
          std::unique_lock lock(mutex_);
          changed_.wait(lock, [this] { return halting_ || static_cast<int64_t>(ready_.size()) < ahead_; });
          if (halting_) return;
        }
        Value value = make_(at);  // outside the lock: the taker may go on
        const std::lock_guard lock(mutex_);
        ready_.push_back(std::move(value));
        changed_.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
      changed_.notify_all();
    }
  }

  Make make_;
  int64_t ahead_ = 0;
  int64_t position_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Value> ready_;
  std::exception_ptr failure_;
  bool halting_ = false;
  std::thread thread_;
};

}  // namespace distill
