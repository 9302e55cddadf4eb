// distill init: a commented recipe to start from.
#include <cstdio>

#include "distill/cli/verbs_recipe.h"
#include "distill/core/file.h"
#include "distill/core/log.h"
#include "distill/recipe/recipe.h"
#include "distill/recipe/templates.h"

namespace distill {

int run_init(const InitOptions& options) {
  const RecipeTemplate& chosen = recipe_template(options.template_name);
  if (options.out.empty()) {
    std::fwrite(chosen.yaml.data(), 1, chosen.yaml.size(), stdout);
    return static_cast<int>(ExitCode::done);
  }
  if (fs::exists(options.out) && !options.force)
    throw CreateError(
        {options.out, "a name that is free", "a file or folder", "Choose another name, or pass --force to overwrite.", ""});
  write_file_atomically(options.out, chosen.yaml);
  log::info("Wrote " + options.out + ". Change its paths, then run: distill check " + options.out);
  return static_cast<int>(ExitCode::done);
}

}  // namespace distill
