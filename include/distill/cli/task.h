// The task of a run: from the recipe's word and the student's config.json to what data, objective and evaluation are told.
#pragma once

#include <optional>
#include <string>

#include "distill/data/task_rules.h"
#include "distill/recipe/recipe.h"
#include "distill/spec/spec.h"

namespace distill {

std::optional<Task> task_of(TaskChoice choice);  // empty: auto
TaskChoice choice_of(Task task);
inline std::string word_of(Task task) { return std::string(enum_name(choice_of(task))); }

// `labels_needed`: a classifier's rows without a label are dropped. InputError for a classifier of one class, which has nothing
// to learn.
TaskRules task_rules(const Recipe& recipe, const ModelSpec& student, bool labels_needed);
// Does a term of the objective read labels?
bool learns_from_labels(const Recipe& recipe);

// RecipeError with every value of the recipe that the student's task does not have.
void check_recipe_for_task(const LoadedRecipe& loaded, Task task);
// RecipeError when the teacher does something else than the student; InputError when their classes differ, in number or, where
// both config.json name them, by name (`data.vocabulary: assume_same` skips the names).
void check_teacher_for_task(const Recipe& recipe, const ModelSpec& student, const ModelSpec& teacher);
// Whether held-out rows tell something: embeddings are compared with a teacher's of the same width. "" or why not.
std::string why_not_evaluated(const ModelSpec& student, const std::optional<ModelSpec>& teacher);

}  // namespace distill
