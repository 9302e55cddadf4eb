#include "distill/checkpoint/hf_folder.h"

#include "distill/checkpoint/open.h"
#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/hub_cache.h"

namespace distill {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{16} << 20;

void check_folder(const fs::path& path) {
  if (fs::is_directory(path)) return;
  throw InputError({path.string(), "a Hugging Face model folder", "a file",
                    "Name the folder that holds config.json and the weights; a TorchScript file, which is a program, needs "
                    "`trust: torchscript`.",
                    ""});
}

}  // namespace

Json read_hf_config(const fs::path& word) {
  const fs::path path = find_model(word);
  check_folder(path);
  const fs::path file = path / "config.json";
  if (!fs::exists(file))
    throw InputError(
        {path.string(), "a model folder with config.json", "no config.json",
         download_advice(path, "Name the folder that from_pretrained() would read, or download config.json into it."), ""});
  Json config = read_json_file(file.string(), kMaxConfigBytes);
  if (!config.is_object())
    throw InputError({file.string(), "a JSON object", config.type_name(), "Take config.json again from the model's source.", ""});
  return config;
}

HfFolder open_hf_folder(const fs::path& word) {
  HfFolder folder;
  folder.path = find_model(word);
  folder.config = read_hf_config(folder.path);
  folder.weights = open_weights(folder.path);
  return folder;
}

}  // namespace distill
