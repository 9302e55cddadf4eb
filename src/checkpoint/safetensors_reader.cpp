#include "distill/checkpoint/safetensors.h"

#include "safetensors_header.h"
#include "stored_source.h"

namespace distill {

std::unique_ptr<TensorSource> open_safetensors(const std::filesystem::path& file) {
  auto source = std::make_unique<StoredSource>(file.string());
  source->add_safetensors(file);
  return source;
}

std::map<std::string, std::string> safetensors_metadata(const std::filesystem::path& file) {
  return read_safetensors_header(ReadFile(file)).metadata;
}

}  // namespace distill
