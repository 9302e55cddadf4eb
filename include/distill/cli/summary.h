// The end of a run: summary.json, the model card, and the eight lines on the terminal.
#pragma once

#include <string>

#include "distill/cli/train.h"
#include "distill/train/run_folder.h"

namespace distill {

Json eval_json(const EvalEvent& event);
EvalEvent eval_from_json(const Json& json, const std::string& where);

// Eight lines: teacher, student before, student after, time, tokens per second, peak memory, files, next command.
std::string closing_summary(const TrainResult& result, const Recipe& recipe, const std::string& recipe_file);
// summary.json and README.md (a model card) of the run folder.
void write_summary(const RunFolder& run, const LoadedRecipe& recipe, const TrainResult& result);

}  // namespace distill
