// What a task does not have, for `check` and for a run.
#pragma once

#include <functional>
#include <string>

#include "distill/recipe/recipe.h"

namespace distill {

// Takes the key and what to say about it: path, expected, found, advice.
using Refuse = std::function<void(const std::string&, std::string, std::string, std::string)>;
void find_task_problems(const Recipe& recipe, TaskChoice task, const Refuse& refuse);

}  // namespace distill
