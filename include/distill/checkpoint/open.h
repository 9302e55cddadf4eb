// Weights by path, whatever lies there: a folder, an index of shards, or one file, told apart by their bytes.
#pragma once

#include <filesystem>
#include <memory>

#include "distill/tensor/source.h"

namespace distill {

// A folder with model.safetensors, else model.safetensors.index.json; an index; or a .safetensors file.
// InputError when nothing is there, and for formats that are not available yet (torch zip and pickle, GGUF, ...), by name.
std::unique_ptr<TensorSource> open_weights(const std::filesystem::path& path);

}  // namespace distill
