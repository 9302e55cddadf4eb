// What `check` says of the autoencoders that a recipe names.
#pragma once

#include <vector>

#include "distill/core/error.h"
#include "distill/recipe/recipe.h"

namespace distill {

// Of every term sae_features whose file is on this machine, all that would stop a run, at its line of the recipe: from headers
// alone. The widths are compared with the teacher's when its config.json is here.
std::vector<Complaint> autoencoder_problems(const LoadedRecipe& loaded);

}  // namespace distill
