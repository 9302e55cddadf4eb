// `distill shrink`: a smaller model cut out of a model folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "distill/spec/resize.h"

namespace distill {

struct ShrinkOptions {
  std::filesystem::path model;  // a model folder, a run folder, or a hub id
  std::filesystem::path out;
  ShrinkPlan plan;
  std::string dtype = "auto";  // that of the stored weights
  bool json = false;
};
// Writes the folder and prints what was kept; with `json` {"path", "parameters", "teacher_parameters", "layers", "hidden_size",
// "num_heads", "num_kv_heads", "intermediate_size", "dtype", "bytes"}. RecipeError with all sizes that cannot be had; returns 0.
int run_shrink(const ShrinkOptions& options);

}  // namespace distill
