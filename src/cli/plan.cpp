// The plan verb: recipe, plan, one screen.
#include <cstdio>

#include "distill/cli/run_plan.h"
#include "distill/cli/verbs_plan.h"
#include "distill/core/error.h"
#include "distill/core/log.h"
#include "distill/core/units.h"

namespace distill {
namespace {

std::optional<int64_t> stated_bytes(const std::string& word) {
  if (word.empty()) return std::nullopt;
  const auto bytes = parse_bytes(word);
  if (bytes && *bytes > 0) return static_cast<int64_t>(*bytes);
  throw RecipeError(
      {"--memory", "an amount of memory, for example \"14 GiB\"", "\"" + word + "\"", "Write a number and a unit.", ""});
}

}  // namespace

int run_plan(const PlanCommand& command) {
  const PlanOptions options{stated_bytes(command.memory)};
  const LoadedRecipe loaded = load_recipe(command.recipe, command.overrides);
  for (const Complaint& warning : loaded.warnings) log::warn(warning.text());
  const RunPlan plan = make_run_plan(loaded, options);
  const std::string text = command.json ? plan_json(plan).dump(2) + "\n" : plan_text(plan, command.recipe.string());
  std::fputs(text.c_str(), stdout);
  return static_cast<int>(plan.fits() ? ExitCode::done : ExitCode::findings);
}

}  // namespace distill
