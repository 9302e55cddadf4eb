// The verbs that need nothing but the recipe: check, schema, init. Each returns an exit code of DESIGN section 2; errors
// that end the verb are thrown as distill::Error.
#pragma once

#include <string>
#include <vector>

namespace distill {

struct CheckOptions {
  std::string recipe;                  // file
  std::vector<std::string> overrides;  // texts of --set
  bool resolved = false;               // also print the final recipe, with the origin of each value, to stdout
  bool json = false;                   // findings to stdout as JSON
};
// Paths that do not exist on this machine are warnings. Problems go to stderr, or with `json` to stdout as
// {"problems": [{"file", "line", "column", "where", "expected", "found", "advice"}], "warnings": [...]}; with `resolved`
// and a readable recipe also "resolved", the YAML text. `line` and `column` are null for --set and for missing files.
// Returns 2 with problems, 1 with warnings alone, else 0.
int run_check(const CheckOptions& options);

// Prints the JSON Schema of the recipe.
int run_schema();

struct InitOptions {
  std::string template_name = "t4";
  std::string out;     // file to write; empty: stdout
  bool force = false;  // overwrite
};
// RecipeError for an unknown template, CreateError when `out` exists and `force` is not set.
int run_init(const InitOptions& options);

}  // namespace distill
