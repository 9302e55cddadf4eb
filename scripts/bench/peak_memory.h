// The peak memory of this program alone; getrusage() also counts what the starting process had.
#pragma once

#include <fstream>
#include <string>

inline long peak_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    long kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes;
  }
  return 0;
}
