// Saves a Hugging Face folder: complete under a temporary name first, then put in place in one step.
#include <fcntl.h>
#include <stdio.h>

#include <ATen/core/TensorBody.h>

#include <algorithm>
#include <map>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/safetensors.h"
#include "distill/checkpoint/torchscript.h"
#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/tensor/dtype.h"

namespace distill {
namespace {

// What from_pretrained() reads beside config.json and the weights.
constexpr const char* kTemplate = "chat_template.jinja";
constexpr const char* kCopied[] = {"tokenizer.json",
                                   "tokenizer_config.json",
                                   "special_tokens_map.json",
                                   "added_tokens.json",
                                   kTemplate,
                                   "chat_template.json",
                                   "vocab.json",
                                   "merges.txt",
                                   "tokenizer.model",
                                   "vocab.txt",
                                   "spiece.model",
                                   "sentencepiece.bpe.model"};
constexpr const char* kGeneration = "generation_config.json";
constexpr const char* kConfig = "config.json";

uint64_t saved_bytes(const at::Tensor& tensor, at::ScalarType dtype) {
  const bool converts = tensor.is_floating_point() && tensor.element_size() > 1;
  return static_cast<uint64_t>(tensor.numel()) * (converts ? c10::elementSize(dtype) : tensor.element_size());
}

void write_text(const fs::path& path, std::string_view text) {
  WriteFile file(path);
  file.write(text);
  file.close();
}

// Groups in the order given; a tensor larger than a shard stands alone.
std::vector<std::vector<NamedTensor>> split_shards(const std::vector<NamedTensor>& weights, const HfSaveOptions& options) {
  std::vector<std::vector<NamedTensor>> shards(1);
  uint64_t filled = 0;
  for (const NamedTensor& weight : weights) {
    const uint64_t bytes = saved_bytes(weight.tensor, options.dtype);
    if (!shards.back().empty() && filled + bytes > options.shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(weight);
    filled += bytes;
  }
  return shards;
}

std::string shard_name(size_t index, size_t count) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

void write_index(const fs::path& folder, const std::vector<std::vector<NamedTensor>>& shards, const HfSaveOptions& options) {
  std::map<std::string, std::string> shard_of;
  uint64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    for (const NamedTensor& weight : shards[i]) {
      shard_of[weight.name] = shard_name(i, shards.size());
      total += saved_bytes(weight.tensor, options.dtype);
    }
  }
  const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", shard_of}};
  write_text(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

void write_weights(const fs::path& folder, const std::vector<NamedTensor>& weights, const HfSaveOptions& options) {
  SafetensorsOptions format;
  format.dtype = options.dtype;
  const auto shards = split_shards(weights, options);
  if (shards.size() == 1) return write_safetensors(folder / "model.safetensors", weights, format);
  for (size_t i = 0; i < shards.size(); ++i) write_safetensors(folder / shard_name(i, shards.size()), shards[i], format);
  write_index(folder, shards, options);
}

// The key that the config already has keeps its name: older files say torch_dtype, newer ones dtype.
Json with_dtype(Json config, at::ScalarType dtype) {
  const bool old_key = config.contains("torch_dtype");
  if (old_key) config["torch_dtype"] = dtype_word(dtype);
  if (!old_key || config.contains("dtype")) config["dtype"] = dtype_word(dtype);
  return config;
}

// Through links, and without the slash at the end that would make the file name empty.
fs::path real_target(const fs::path& path) {
  std::error_code error;
  fs::path target = fs::weakly_canonical(fs::absolute(path), error);
  if (error) target = fs::absolute(path).lexically_normal();
  return target.has_filename() ? target : target.parent_path();
}

// Anything but a model folder stays: a mistyped path must not cost a user their files.
void check_replaceable(const fs::path& target) {
  if (!fs::exists(target)) return;
  if (!fs::is_directory(target))
    throw CreateError({target.string(), "a folder for the model", "a file", "Choose another output folder.", ""});
  if (!fs::is_empty(target) && !fs::exists(target / kConfig) && !fs::exists(target / kTorchScriptFile))
    throw CreateError({target.string(), "a new, an empty or a model's folder", "a folder with other files and no config.json",
                       "Choose another output folder.", ""});
}

bool belongs_to_the_model(const std::string& name) {
  if (name == kConfig || name == kTorchScriptFile || name == "additional_chat_templates") return true;
  for (const std::string_view part : {".safetensors", ".index.json", "pytorch_model"})
    if (name.find(part) != name.npos) return true;
  return name == kGeneration || std::find(std::begin(kCopied), std::end(kCopied), name) != std::end(kCopied);
}

// Files that a user put beside the old model (notes, logs) move to the new one.
void keep_other_files(const fs::path& old_folder, const fs::path& target) {
  for (const auto& entry : fs::directory_iterator(old_folder)) {
    const std::string name = entry.path().filename().string();
    if (!belongs_to_the_model(name) && !fs::exists(target / name)) rename_durably(entry.path(), target / name);
  }
}

// Afterwards `target` is the new folder and `fresh` the old one, if there was one. Both names change in one step where the
// file system can exchange them, so that no moment is without a complete folder.
void put_in_place(const fs::path& fresh, const fs::path& target) {
  if (!fs::exists(target)) return rename_durably(fresh, target);
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0) {
    const fs::path aside = fresh.string() + "-old";
    fs::remove_all(aside);
    rename_durably(target, aside);
    rename_durably(fresh, target);
    rename_durably(aside, fresh);
  }
  sync_folder(target.parent_path());
  keep_other_files(fresh, target);
}

}  // namespace

void copy_tokenizer_files(const fs::path& from, const fs::path& to, const std::string& chat_template) {
  if (!chat_template.empty()) write_text(to / kTemplate, chat_template);
  if (from.empty()) return;
  for (const char* name : kCopied)
    if (fs::exists(from / name) && !fs::exists(to / name)) write_text(to / name, read_file(from / name));
  const fs::path templates = "additional_chat_templates";
  if (!chat_template.empty() || !fs::is_directory(from / templates)) return;
  make_folders(to / templates);
  for (const auto& entry : fs::directory_iterator(from / templates))
    if (entry.is_regular_file()) write_text(to / templates / entry.path().filename(), read_file(entry.path()));
  sync_folder(to / templates);
}

void save_model_folder(const fs::path& path, const std::function<void(const fs::path&)>& write) {
  const fs::path target = real_target(path);
  check_replaceable(target);
  make_folders(target.parent_path());
  // The same name every time: what a killed run left is cleared by the next one.
  const fs::path fresh = target.parent_path() / ("." + target.filename().string() + ".partial");
  std::error_code ignored;
  fs::remove_all(fresh, ignored);
  try {
    make_folders(fresh);
    write(fresh);
    sync_folder(fresh);
  } catch (...) {
    fs::remove_all(fresh, ignored);
    throw;
  }
  put_in_place(fresh, target);
  fs::remove_all(fresh, ignored);
}

void save_hf_folder(const fs::path& path, const Json& config, const std::vector<NamedTensor>& weights,
                    const HfSaveOptions& options) {
  save_model_folder(path, [&](const fs::path& fresh) {
    write_text(fresh / kConfig, with_dtype(config, options.dtype).dump(2) + "\n");
    write_weights(fresh, weights, options);
    copy_tokenizer_files(options.copy_files_from, fresh, options.chat_template);
    const fs::path& generation =
        options.generation_config_from.empty() ? options.copy_files_from : options.generation_config_from;
    if (!generation.empty() && fs::exists(generation / kGeneration))
      write_text(fresh / kGeneration, read_file(generation / kGeneration));
  });
}

}  // namespace distill
