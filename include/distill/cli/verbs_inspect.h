// `distill inspect PATH`: what is in a checkpoint.
#pragma once

#include <filesystem>

namespace distill {

struct InspectOptions {
  std::filesystem::path path;  // a model folder, an index, one weights file of any format, or a hub id
  bool json = false;
};
// Reads every tensor once, one at a time, and prints to stdout; with `json`
// {"path", "config": {..} | null, "tensors": [{"name", "dtype", "shape", "bytes", "finite", "non_finite", "file"}], "parameters",
// "bytes", "finite"}, and "not_tensors" with the names of other values that a torch.save file holds. dtype as in safetensors
// ("BF16"). A config.json that cannot be used does not hide the tensors: its complaint is printed in its place. Returns 0;
// InputError for weights that cannot be read.
int run_inspect(const InspectOptions& options);

}  // namespace distill
