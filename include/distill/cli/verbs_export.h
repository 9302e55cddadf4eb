// `distill export`: a run's student, or any model folder, as a Hugging Face folder.
#pragma once

#include <filesystem>
#include <string>

namespace distill {

struct ExportOptions {
  std::filesystem::path source;  // a run folder (its student/), a model folder of any format that is read, or a hub id
  std::filesystem::path out;
  std::filesystem::path adapter;  // a PEFT folder that is merged; may be empty
  std::string dtype = "auto";     // that of most stored weights; every weight gets the one type
  std::string shard_size = "5GB";
  bool json = false;
};
// Writes safetensors in shards of at most `shard_size` (a larger tensor stands alone), config.json and the tokenizer files.
// With `json` prints {"path", "parameters", "tensors", "bytes", "dtype"}. InputError: a script, values that `dtype` cannot hold,
// an adapter that does not fit; returns 0.
int run_export(const ExportOptions& options);

}  // namespace distill
