#include "distill/cli/model_folder.h"

#include <map>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/torchscript.h"
#include "distill/core/error.h"
#include "distill/core/hub_cache.h"
#include "distill/model/weight_map.h"
#include "distill/tensor/dtype.h"

namespace distill {
namespace {

namespace fs = std::filesystem;

bool is_run(const fs::path& folder) { return fs::exists(folder / "recipe.resolved.yaml") && !fs::exists(folder / "config.json"); }

}  // namespace

fs::path model_folder_of(const fs::path& word) {
  fs::path folder = find_model(word);
  if (is_run(folder)) {
    folder /= "student";
    if (!fs::exists(folder))
      throw InputError({folder.parent_path().string(), "a run that has left a student", "no student/ in it",
                        "Go on with the run: the same command leaves one when it stops.", ""});
  }
  if (!fs::exists(folder / "config.json") && fs::exists(folder / kTorchScriptFile))
    throw InputError({folder.string(), "a model folder with config.json",
                      std::string("a TorchScript module, ") + kTorchScriptFile,
                      "A script is a program and has no weights by name: use the file as it is.", ""});
  return folder;
}

std::string stored_dtype(const TensorSource& source, const std::string& of_config) {
  uint64_t most = 0;
  std::map<at::ScalarType, uint64_t> bytes;
  std::string word = of_config;
  for (const TensorMeta& meta : source.tensors()) {
    uint64_t& sum = bytes[meta.dtype];
    sum += meta.bytes;
    if (!c10::isFloatingType(meta.dtype) || sum <= most) continue;
    most = sum;
    word = dtype_word(meta.dtype);
  }
  return word;
}

at::ScalarType chosen_dtype(const std::string& word, const std::string& stored) {
  const auto dtype = dtype_from_word(word == "auto" ? stored : word);
  if (dtype && (*dtype == at::kFloat || *dtype == at::kDouble || *dtype == at::kHalf || *dtype == at::kBFloat16)) return *dtype;
  throw RecipeError(
      {"--dtype", "float32, float16 or bfloat16", "`" + word + "`, and weights of type " + stored, "Name one of these.", ""});
}

void refuse_own_folder(const fs::path& out, const fs::path& folder) {
  std::error_code error;
  if (!fs::equivalent(out, folder, error) || error) return;
  throw CreateError(
      {out.string(), "another folder than the model's own", "the folder that is read", "Name a new folder with --out.", ""});
}

WrittenModel write_model(const fs::path& out, const ModelSpec& spec, const TensorSource& source, at::ScalarType dtype,
                         uint64_t shard_bytes, const fs::path& files_from) {
  LoadOptions options;
  options.dtype = dtype;
  const WeightMap weights = read_weights(spec, source, options, Narrowing::refused);
  std::vector<NamedTensor> tensors;
  WrittenModel written;
  written.dtype = dtype;
  for (size_t i = 0; i < weights.rows().size(); ++i) {
    tensors.push_back({weights.rows()[i].theirs, weights.tensor(i), weights.rows()[i].matrix});
    written.num_elements += weights.tensor(i).numel();
    written.bytes += weights.tensor(i).nbytes();
  }
  written.num_tensors = static_cast<int64_t>(tensors.size());
  HfSaveOptions save;
  save.dtype = dtype;
  save.shard_bytes = shard_bytes;
  save.copy_files_from = files_from;
  save_hf_folder(out, spec.config, tensors, save);
  return written;
}

}  // namespace distill
