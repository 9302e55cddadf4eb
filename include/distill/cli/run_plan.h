// What a recipe will take: memory, disk, work and time, from headers and the run's log alone.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "distill/cli/update_facts.h"
#include "distill/plan/fit.h"
#include "distill/recipe/recipe.h"

namespace distill {

struct PlanOptions {
  std::optional<int64_t> stated_bytes;  // of memory, for another machine; absent: what is free here
};

struct DiskPlan {
  int64_t checkpoint_bytes = 0, num_checkpoints = 0;  // that are there at once: those that stay, and a new one
  int64_t student_bytes = 0;
  int64_t free_bytes = 0;
  int64_t held_bytes = 0;  // by checkpoints and a student of this run that are there already
  int64_t needed_bytes() const { return checkpoint_bytes * num_checkpoints + student_bytes; }
  bool fits() const { return needed_bytes() <= free_bytes + held_bytes; }
};

struct MeasuredTime {
  double seconds_per_update = 0;  // median of the newest updates in log.jsonl
  int64_t num_updates = 0;        // that were measured
  int64_t newest_step = 0;
};

struct RunPlan {
  std::string device, precision;
  std::optional<Fit> memory;  // absent: a script as the student, whose activations nobody knows
  int64_t free_bytes = 0;
  bool free_is_stated = false;
  int64_t loading_bytes = 0;  // beside the weights, while they are read
  std::optional<DiskPlan> disk;
  std::optional<int64_t> updates;          // when the recipe states steps
  std::optional<double> flops_per_update;  // floating-point operations
  std::optional<MeasuredTime> time;
  std::vector<std::string> not_counted;  // by name
  bool fits() const { return (!memory || memory->fits) && (!disk || disk->fits()); }
};

// Reads config.json files and headers of weights; no tokenizer and no data, whose mistakes `train` finds.
RunPlan make_run_plan(const LoadedRecipe& loaded, const PlanOptions& options);
std::string plan_text(const RunPlan& plan, const std::string& recipe_file);
// A sentence: what an update takes, what is free, and the smallest change that fits.
std::string shortage_text(const Fit& fit, int64_t free_bytes);
Json plan_json(const RunPlan& plan);  // documented at PlanCommand

}  // namespace distill
