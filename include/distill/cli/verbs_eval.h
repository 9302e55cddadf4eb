// `distill eval`: held-out figures of a student, alone or against a teacher.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "distill/recipe/recipe.h"
#include "distill/train/events.h"

namespace distill {

struct EvalCommand {
  std::filesystem::path recipe;                // either a recipe: its run's student (or its student before any run) on data.eval,
  std::filesystem::path model, data, teacher;  // or a folder and a file, with or without a teacher
  std::vector<std::string> overrides;
  std::string device = "auto";
  bool device_given = false;  // --device wins over the recipe's
  bool json = false;
};
int run_eval(const EvalCommand& command);

// Measures the recipe's student on data.eval, against its teacher if it names one. Reads no run folder, prints nothing.
EvalEvent evaluate_recipe(const Recipe& recipe);

}  // namespace distill
