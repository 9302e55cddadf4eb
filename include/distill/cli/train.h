// The main job as a function: what `distill train` and `demo` run.
#pragma once

#include <filesystem>
#include <optional>

#include "distill/core/json_reader.h"
#include "distill/recipe/recipe.h"
#include "distill/report/progress.h"
#include "distill/train/events.h"

namespace distill {

struct TrainOptions {
  std::optional<int64_t> max_steps;
  std::optional<double> max_minutes;
  bool dry_run = false;  // load and check everything, train nothing, write nothing
  bool fresh = false;
  bool allow_recipe_change = false;
  bool deterministic = false;
  ProgressStyle progress = ProgressStyle::automatic;
};

// summary.json in memory.
struct TrainResult {
  bool finished = false;
  int64_t step = 0, total_steps = 0;
  std::optional<EvalEvent> teacher, student_before, student_after;  // with data.eval
  double seconds = 0;                                               // of training
  double tokens_per_second = 0;                                     // input tokens
  uint64_t peak_host_bytes = 0, peak_device_bytes = 0;
  int64_t skipped_updates = 0;
  std::filesystem::path output, student;
  Json json() const;
  static TrainResult from_json(const Json& json, const std::filesystem::path& output);
};

// Trains, or goes on, or finds the run finished. Throws Error.
TrainResult run_training(const LoadedRecipe& recipe, const TrainOptions& options);

// `distill train`: reads the recipe, runs, prints the summary to stdout.
struct TrainCommand {
  std::filesystem::path recipe;
  std::vector<std::string> overrides;
  TrainOptions options;
  bool json = false;
};
int run_train(const TrainCommand& command);

}  // namespace distill
