// The verb `demo`: a whole distillation on a corpus of its own, as an example that the user can change.
#pragma once

#include <cstdint>
#include <filesystem>

#include "distill/core/error.h"

namespace distill {

struct DemoOptions {
  std::filesystem::path out = "distill-demo";
  uint64_t seed = 1;  // of the corpus, the fresh weights and the data order
  bool json = false;  // the comparison as one JSON object on stdout instead of a table
};

// Writes corpus, tokenizer and recipes below `out`, trains a teacher, then the same small student alone and distilled with
// three seeds, all through the recipes and the path of `train`, and prints the comparison on held-out text.
// A demo that was cut short goes on where it stopped. CreateError when `out` holds something else, or a demo of another seed.
ExitCode run_demo(const DemoOptions& options);

}  // namespace distill
