// `distill plan RECIPE`: what a run will take, before anything is loaded.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace distill {

struct PlanCommand {
  std::filesystem::path recipe;
  std::vector<std::string> overrides;
  std::string memory;  // `14 GiB`: free memory of a machine that is not this one; "": what is free here
  bool json = false;
};
// With `json`: {"device", "precision", "fits",
//   "memory": {"gradient_checkpointing", "free_bytes", "peak_bytes", "phase", "parts": [{"name", "bytes"}],
//              "phases": [{"phase", "bytes"}], "fits",
//              "change": {"set": {key: value}, "peak_bytes"} | null, "largest_part" (when nothing helps)} | null,
//   "loading_bytes",
//   "disk": {"free_bytes", "held_bytes", "needed_bytes", "checkpoint_bytes", "checkpoints", "student_bytes", "fits"} | null,
//   "updates" | null, "flops_per_update" | null,
//   "time": {"seconds_per_update", "measured_updates", "seconds_left" | null} | null, "not_counted": [..]}.
// What a script as teacher or student takes is null or left out, and named in "not_counted".
// Prints to stdout. Returns 0 when memory and disk suffice, 1 when they do not.
int run_plan(const PlanCommand& command);

}  // namespace distill
