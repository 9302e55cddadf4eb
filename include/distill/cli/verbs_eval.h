// `distill eval`: held-out figures of a student, alone or against a teacher.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

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

}  // namespace distill
