// The recipes that `distill init` writes. The same texts stand in configs/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace distill {

struct RecipeTemplate {
  std::string_view name;
  std::string_view purpose;  // one line for the list of templates
  std::string_view yaml;
};

const std::vector<RecipeTemplate>& recipe_templates();
// RecipeError that lists the names when there is none of that name.
const RecipeTemplate& recipe_template(const std::string& name);

}  // namespace distill
