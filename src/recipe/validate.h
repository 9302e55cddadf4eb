// What must hold between values of a recipe that are each well formed.
#pragma once

#include "distill/recipe/recipe.h"

#include "report.h"

namespace distill {

// Runs every rule. A rule is silent about values that the reader has already refused.
void validate_recipe(const Recipe& recipe, const GivenKeys& given, Report& report);

}  // namespace distill
