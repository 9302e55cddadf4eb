#include "distill/checkpoint/torch_zip.h"

#include "stored_source.h"

namespace distill {

std::unique_ptr<TensorSource> open_torch_zip(const std::filesystem::path& file) {
  auto source = std::make_unique<StoredSource>(file.string());
  source->add_torch_zip(file);
  return source;
}

}  // namespace distill
