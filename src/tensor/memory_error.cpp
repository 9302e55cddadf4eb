#include "distill/tensor/memory_error.h"

#include <sys/resource.h>

#include <c10/util/Exception.h>

#include <fstream>
#include <new>

#include "distill/core/units.h"

namespace distill {
namespace {

// What stands between two marks of a text; "" when either is missing.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
  const size_t begin = text.find(before);
  if (begin == std::string::npos) return "";
  const size_t end = text.find(after, begin + before.size());
  return end == std::string::npos ? "" : text.substr(begin + before.size(), end - begin - before.size());
}

// "3.20 GiB of 15.6 GiB free, this process may map at most 4.00 GiB (ulimit -v)".
std::string host_memory() {
  std::ifstream meminfo("/proc/meminfo");
  uint64_t total = 0, available = 0;
  for (std::string word; meminfo >> word;) {
    if (word == "MemTotal:") meminfo >> total;
    if (word == "MemAvailable:") meminfo >> available;
  }
  std::string text = bytes_text(available << 10) + " of " + bytes_text(total << 10) + " free";
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    text += ", this process may map at most " + bytes_text(limit.rlim_cur) + " (ulimit -v)";
  return text;
}

std::string host_found(const std::string& words) {
  const std::string bytes = between(words, "you tried to allocate ", " bytes");
  return (bytes.empty() ? "" : bytes_text(std::stoull(bytes)) + " asked for, ") + host_memory();
}

// torch's own words, in our order; all of them when they read otherwise than expected.
std::string gpu_found(const std::string& words) {
  const std::string asked = between(words, "Tried to allocate ", ". "),
                    total = between(words, "total capacity of ", " of which "), free = between(words, " of which ", " is free"),
                    held = between(words, "Of the allocated memory ", " is allocated");
  if (asked.empty() || total.empty() || free.empty()) return words.substr(0, words.find('\n'));
  std::string text = asked + " asked for, " + free + " of " + total + " free";
  if (!held.empty()) text += ", tensors of this run hold " + held;
  const std::string cap = between(words, "in use. ", " allowed");
  return cap.empty() ? text : text + ", " + cap + " allowed (per_process_memory_fraction)";
}

}  // namespace

std::optional<Complaint> memory_complaint(const std::exception& error, const std::string& during, const std::string& advice) {
  const std::string expected = "enough for " + during;
  if (dynamic_cast<const std::bad_alloc*>(&error)) return Complaint{"memory", expected, host_memory(), advice, ""};
  // By their words: the CPU's allocator has no type of its own, and a script turns every error into a std::runtime_error.
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  const std::string words = torch ? torch->what_without_backtrace() : error.what();
  if (words.find("CUDA out of memory") != std::string::npos)
    return Complaint{"GPU memory", expected, gpu_found(words), advice, ""};
  if (words.find("DefaultCPUAllocator: can't allocate memory") != std::string::npos)
    return Complaint{"memory", expected, host_found(words), advice, ""};
  return std::nullopt;
}

}  // namespace distill
