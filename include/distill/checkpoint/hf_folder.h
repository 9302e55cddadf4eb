// A Hugging Face model folder: config.json, model.safetensors or pytorch_model.bin (or an index and shards), tokenizer files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "distill/core/json_reader.h"
#include "distill/tensor/source.h"

namespace distill {

struct HfFolder {
  std::filesystem::path path;
  Json config;
  std::unique_ptr<TensorSource> weights;
};

// A path, or the id of a model in the local hub cache (then `path` is its snapshot).
// InputError: no folder, no config.json, no weights (names what was looked for), formats that cannot be read.
HfFolder open_hf_folder(const std::filesystem::path& path);
// config.json alone.
Json read_hf_config(const std::filesystem::path& path);

// A model folder in one step: `write` fills a new folder under a temporary name beside `path`; it is synced and renamed. An
// existing model folder is replaced only after the new one is complete, anything else is left alone (CreateError).
void save_model_folder(const std::filesystem::path& path, const std::function<void(const std::filesystem::path&)>& write);
// What from_pretrained() reads beside config.json and the weights: tokenizer and template, byte for byte. `from` may be empty.
// `chat_template`, when not empty, becomes chat_template.jinja, the folder's only one but for those in files that it wins over.
void copy_tokenizer_files(const std::filesystem::path& from, const std::filesystem::path& to,
                          const std::string& chat_template = "");

struct HfSaveOptions {
  at::ScalarType dtype = at::kFloat;  // floating-point tensors are converted tensor by tensor
  uint64_t shard_bytes = uint64_t{5} << 30;
  std::filesystem::path copy_files_from;         // tokenizer, template and generation_config, byte for byte; may be empty
  std::string chat_template;                     // the text of a template in place of the copied one; may be empty
  std::filesystem::path generation_config_from;  // when the model's own folder is not the tokenizer's
};

// Writes config.json, the weights (one file, or shards with an index) and copied files under a temporary name beside `path`,
// syncs, then renames; an existing folder is replaced only after the new one is complete.
void save_hf_folder(const std::filesystem::path& path, const Json& config, const std::vector<NamedTensor>& weights,
                    const HfSaveOptions& options);

}  // namespace distill
