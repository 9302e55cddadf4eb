// For the fuzz targets: a folder in memory where one input at a time becomes a file, and the one way to end badly.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "distill/core/error.h"
#include "distill/core/log.h"

namespace distill::test {

// Removed when the process ends well; a crash leaves it for a look.
class FuzzFolder {
 public:
  FuzzFolder() {
    const bool in_memory = ::access("/dev/shm", W_OK) == 0;
    std::string name = (in_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) + "/distill-fuzz-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
    log::configure(log::Level::error, "never");
  }
  ~FuzzFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path_ / name, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::string_view text_of(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

// A refusal is a good end; every other exception is a finding and leaves through the fuzzer.
template <class Read>
int refusal_is_fine(Read&& read) {
  try {
    read();
  } catch (const InputError& error) {
    if (error.complaints().front().advice.empty()) std::abort();  // a message without its fourth part
  }
  return 0;
}

}  // namespace distill::test
