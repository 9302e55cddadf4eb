// distill check: every problem of a recipe at once, without loading a model.
#include <algorithm>
#include <cstdio>

#include "distill/cli/verbs_recipe.h"
#include "distill/core/json_reader.h"
#include "distill/core/log.h"
#include "distill/recipe/recipe.h"

namespace distill {
namespace {

// `recipe.yaml:3:7: train.precision` taken apart; `--set a=b: a` has no line.
struct PlaceParts {
  std::string file, where;
  Json line, column;
};

PlaceParts parts_of(const std::string& where, const std::string& recipe) {
  PlaceParts parts{recipe, "", nullptr, nullptr};
  const bool is_override = where.rfind("--set ", 0) == 0;
  if (is_override) parts.file = "--set";
  const size_t key = where.rfind(": ");
  if (key != std::string::npos && key >= recipe.size()) parts.where = where.substr(key + 2);
  if (is_override || where.rfind(recipe + ":", 0) != 0) return parts;
  int line = 0;
  int column = 0;
  if (std::sscanf(where.c_str() + recipe.size(), ":%d:%d", &line, &column) == 2) parts.line = line, parts.column = column;
  return parts;
}

Json json_of(const std::vector<Complaint>& complaints, const std::string& recipe) {
  Json list = Json::array();
  for (const Complaint& complaint : complaints) {
    const PlaceParts parts = parts_of(complaint.where, recipe);
    list.push_back({{"file", parts.file},
                    {"line", parts.line},
                    {"column", parts.column},
                    {"where", parts.where},
                    {"expected", complaint.expected},
                    {"found", complaint.found},
                    {"advice", complaint.advice}});
  }
  return list;
}

void print_json(const CheckOptions& options, const std::vector<Complaint>& problems, const LoadedRecipe& loaded,
                const std::string& resolved) {
  Json report{{"problems", json_of(problems, options.recipe)}, {"warnings", json_of(loaded.warnings, options.recipe)}};
  if (!resolved.empty()) report["resolved"] = resolved;
  std::puts(report.dump(2).c_str());
}

std::string count_of(size_t count, const std::string& word) {
  return std::to_string(count) + " " + word + (count == 1 ? "" : "s");
}

void print_text(const CheckOptions& options, const std::vector<Complaint>& problems, const LoadedRecipe& loaded,
                const std::string& resolved) {
  for (const Complaint& problem : problems) log::error(problem.text());
  for (const Complaint& warning : loaded.warnings) log::warn(warning.text());
  log::info(options.recipe + ": " + count_of(problems.size(), "problem") + ", " + count_of(loaded.warnings.size(), "warning"));
  std::fputs(resolved.c_str(), stdout);
}

}  // namespace

int run_check(const CheckOptions& options) {
  const ExaminedRecipe examined = examine_recipe(options.recipe, options.overrides);
  const bool is_readable = examined.problems.empty();
  std::vector<Complaint> problems = examined.problems;
  for (Complaint& missing : missing_files(examined.loaded)) problems.push_back(std::move(missing));
  const std::string resolved =
      options.resolved && is_readable ? recipe_yaml(examined.loaded.recipe, &examined.loaded.origins) : "";
  (options.json ? print_json : print_text)(options, problems, examined.loaded, resolved);
  if (!problems.empty()) return static_cast<int>(ExitCode::usage);
  return static_cast<int>(examined.loaded.warnings.empty() ? ExitCode::done : ExitCode::findings);
}

}  // namespace distill
