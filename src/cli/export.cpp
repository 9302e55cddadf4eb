// The export verb: a model folder in, another one out, with another type, in other pieces, with an adapter merged.
#include <cstdio>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/open.h"
#include "distill/cli/model_folder.h"
#include "distill/cli/verbs_export.h"
#include "distill/core/error.h"
#include "distill/core/units.h"
#include "distill/model/adapter.h"
#include "distill/tensor/dtype.h"

namespace distill {
namespace {

namespace fs = std::filesystem;

uint64_t shard_bytes_of(const std::string& text) {
  const auto bytes = parse_bytes(text);
  if (bytes && *bytes > 0) return *bytes;
  throw RecipeError({"--shard-size", "a size above 0, such as 5GB or 500 MiB", "`" + text + "`", "Pass such a size.", ""});
}

std::unique_ptr<TensorSource> open_adapter_weights(const fs::path& folder) {
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"})
    if (fs::exists(folder / name)) return open_weights(folder / name);
  throw InputError(
      {folder.string(), "adapter_model.safetensors or adapter_model.bin", "neither", "Check that the adapter is complete.", ""});
}

std::unique_ptr<TensorSource> with_adapter(const ModelSpec& spec, std::unique_ptr<TensorSource> base, const fs::path& folder) {
  if (folder.empty()) return base;
  const fs::path config = folder / "adapter_config.json";
  if (!fs::exists(config))
    throw InputError({folder.string(), "the folder of a PEFT adapter, with adapter_config.json", "no such file",
                      "Name the folder that save_pretrained() of peft wrote.", ""});
  const LoraFacts facts = read_lora_config(read_json_file(config.string(), uint64_t{16} << 20), config.string());
  return merge_adapter(spec, std::move(base), open_adapter_weights(folder), facts);
}

void print(const ExportOptions& options, const WrittenModel& written) {
  if (options.json) {
    const Json out = {{"path", options.out.string()},
                      {"parameters", written.num_elements},
                      {"tensors", written.num_tensors},
                      {"bytes", written.bytes},
                      {"dtype", dtype_word(written.dtype)}};
    std::printf("%s\n", out.dump(2).c_str());
    return;
  }
  std::printf("%lld tensors, %s parameters, %s of %s in %s\n", static_cast<long long>(written.num_tensors),
              count_text(static_cast<double>(written.num_elements)).c_str(), bytes_text(written.bytes).c_str(),
              dtype_word(written.dtype).c_str(), options.out.string().c_str());
}

}  // namespace

int run_export(const ExportOptions& options) {
  const uint64_t shard_bytes = shard_bytes_of(options.shard_size);
  HfFolder folder = open_hf_folder(model_folder_of(options.source));
  refuse_own_folder(options.out, folder.path);
  const ModelSpec spec = read_spec(folder.config, (folder.path / "config.json").string());
  const at::ScalarType dtype = chosen_dtype(options.dtype, stored_dtype(*folder.weights, spec.stored_dtype));
  const auto source = with_adapter(spec, std::move(folder.weights), options.adapter);
  print(options, write_model(options.out, spec, *source, dtype, shard_bytes, folder.path));
  return static_cast<int>(ExitCode::done);
}

}  // namespace distill
