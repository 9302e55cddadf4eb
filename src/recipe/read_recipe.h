// From a YAML tree to the structs of the recipe, by their lists of fields.
#pragma once

#include "distill/recipe/recipe.h"

#include "yaml_node.h"

namespace distill {

// Writes out what may be written short: a bare path of a source, a single item of a list, the word of a section.
void expand_shorthands(YamlNode& root);
// Reads what it can into `recipe`, whose values are the defaults, and reports the rest. `given` gets the place of every key.
void read_recipe(const YamlNode& root, Recipe& recipe, GivenKeys& given, Report& report);

}  // namespace distill
