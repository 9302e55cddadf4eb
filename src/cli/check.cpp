// distill check: every problem of a recipe at once, without loading a model.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "distill/cli/autoencoders.h"
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
  char* rest = nullptr;
  const char* numbers = where.c_str() + recipe.size() + 1;
  const long line = std::strtol(numbers, &rest, 10);
  if (rest != numbers && *rest == ':') parts.line = line, parts.column = std::strtol(rest + 1, nullptr, 10);
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

struct Findings {
  std::vector<Complaint> problems;
  std::vector<Complaint> warnings;
  std::string resolved;  // the final recipe, when it is asked for and there is one
};

Findings find_all(const CheckOptions& options) {
  ExaminedRecipe examined = examine_recipe(options.recipe, options.overrides);
  Findings findings{std::move(examined.problems), examined.loaded.warnings, ""};
  for (Complaint& wrong : autoencoder_problems(examined.loaded)) findings.problems.push_back(std::move(wrong));
  // A recipe may be checked on another machine than the one that runs it, so what is missing here is no mistake of the recipe.
  for (Complaint& missing : missing_files(examined.loaded)) findings.warnings.push_back(std::move(missing));
  if (options.resolved && findings.problems.empty())
    findings.resolved = recipe_yaml(examined.loaded.recipe, &examined.loaded.origins);
  return findings;
}

void print_json(const CheckOptions& options, const Findings& findings) {
  Json report{{"problems", json_of(findings.problems, options.recipe)}, {"warnings", json_of(findings.warnings, options.recipe)}};
  if (!findings.resolved.empty()) report["resolved"] = findings.resolved;
  std::puts(report.dump(2).c_str());
}

std::string count_of(size_t count, const std::string& word) {
  return std::to_string(count) + " " + word + (count == 1 ? "" : "s");
}

void print_text(const CheckOptions& options, const Findings& findings) {
  for (const Complaint& problem : findings.problems) log::error(problem.text());
  for (const Complaint& warning : findings.warnings) log::warn(warning.text());
  log::info(options.recipe + ": " + count_of(findings.problems.size(), "problem") + ", " +
            count_of(findings.warnings.size(), "warning"));
  std::fputs(findings.resolved.c_str(), stdout);
}

}  // namespace

int run_check(const CheckOptions& options) {
  const Findings findings = find_all(options);
  (options.json ? print_json : print_text)(options, findings);
  if (!findings.problems.empty()) return static_cast<int>(ExitCode::usage);
  return static_cast<int>(findings.warnings.empty() ? ExitCode::done : ExitCode::findings);
}

}  // namespace distill
