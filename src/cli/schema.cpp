// distill schema: the JSON Schema of the recipe, for editors.
#include <cstdio>

#include "distill/cli/verbs_recipe.h"
#include "distill/recipe/recipe.h"

namespace distill {

int run_schema() {
  std::fputs(recipe_schema().c_str(), stdout);
  return static_cast<int>(ExitCode::done);
}

}  // namespace distill
