// Weights by path, whatever lies there: a folder, an index of shards, or one file, told apart by their bytes.
#pragma once

#include <filesystem>
#include <memory>

#include "distill/tensor/source.h"

namespace distill {

// A folder with model.safetensors, else model.safetensors.index.json, else pytorch_model.bin, else pytorch_model.bin.index.json;
// an index (.json); a safetensors file; or a file of torch.save. Also the id of a model in the local hub cache
// (core/hub_cache.h). InputError when nothing is there, and for formats that cannot be read, by name (old pickles, TorchScript,
// GGUF, ...).
std::unique_ptr<TensorSource> open_weights(const std::filesystem::path& path);
// The files that an index names, seen as one; all of one format. InputError for names that leave the folder, missing files, and
// an index that does not fit them.
std::unique_ptr<TensorSource> open_sharded_weights(const std::filesystem::path& index_file);

}  // namespace distill
