// safetensors: own reader with every check of the reference implementation, and writer.
// Format: https://github.com/huggingface/safetensors
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distill/tensor/source.h"

namespace distill {

// The header is checked in full before any byte of a tensor is read; tensors are read with positioned reads, so a file that
// shrinks later is an error, not a crash.
std::unique_ptr<TensorSource> open_safetensors(const std::filesystem::path& file);

// The reader's view of `__metadata__`.
std::map<std::string, std::string> safetensors_metadata(const std::filesystem::path& file);

// Writes the tensors (any device, converted to `dtype` one by one when given and floating), fsyncs. Not atomic by itself:
// callers write into a temporary folder or name.
struct SafetensorsOptions {
  std::map<std::string, std::string> metadata = {{"format", "pt"}};
  std::optional<at::ScalarType> dtype;  // of floating-point tensors (not the 8-bit ones); none = as they are
};
void write_safetensors(const std::filesystem::path& file, const std::vector<NamedTensor>& tensors,
                       const SafetensorsOptions& options = {});

}  // namespace distill
