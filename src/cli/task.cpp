#include "distill/cli/task.h"

#include <algorithm>
#include <map>

#include "distill/core/error.h"

namespace distill {
namespace {

constexpr std::pair<TaskChoice, Task> kTasks[] = {{TaskChoice::causal_lm, Task::causal_lm},
                                                  {TaskChoice::masked_lm, Task::masked_lm},
                                                  {TaskChoice::sequence_classification, Task::sequence_classification},
                                                  {TaskChoice::embedding, Task::embedding}};

Targets targets_of(Task task) {
  switch (task) {
    case Task::causal_lm:
      return Targets::next_token;
    case Task::masked_lm:
      return Targets::masked_tokens;
    case Task::sequence_classification:
      return Targets::row_class;
    case Task::embedding:
      return Targets::row_vector;
  }
  throw Bug("a task without targets");
}

// `id2label` of config.json; empty when it is not there or holds the words that transformers writes for classes without names.
std::map<int64_t, std::string> class_names(const ModelSpec& spec) {
  std::map<int64_t, std::string> names;
  const auto found = spec.config.find("id2label");
  if (found == spec.config.end() || !found->is_object()) return names;
  bool any_named = false;
  for (const auto& [id, name] : found->items()) {
    if (!name.is_string() || id.empty() || id.size() > 9 || id.find_first_not_of("0123456789") != std::string::npos) continue;
    names[std::stoll(id)] = name.get<std::string>();
    any_named |= name.get<std::string>() != "LABEL_" + id;
  }
  return any_named ? names : std::map<int64_t, std::string>{};
}

std::string name_in(const std::map<int64_t, std::string>& names, int64_t id) {
  const auto found = names.find(id);
  return found == names.end() ? "no name" : "\"" + found->second + "\"";
}

void compare_class_names(const ModelSpec& student, const ModelSpec& teacher) {
  const auto ours = class_names(student), theirs = class_names(teacher);
  if (ours.empty() || theirs.empty()) return;
  for (int64_t id = 0; id < student.num_classes; ++id) {
    if (name_in(ours, id) == name_in(theirs, id)) continue;
    throw InputError({"id2label", "teacher and student to give every class the same name",
                      "class " + std::to_string(id) + " is " + name_in(theirs, id) + " for the teacher and " + name_in(ours, id) +
                          " for the student",
                      "Correct id2label in the student's config.json, or set data.vocabulary to assume_same if you know that the "
                      "classes agree.",
                      ""});
  }
}

}  // namespace

std::optional<Task> task_of(TaskChoice choice) {
  for (const auto& [word, task] : kTasks)
    if (word == choice) return task;
  return std::nullopt;
}

TaskChoice choice_of(Task task) {
  for (const auto& [word, candidate] : kTasks)
    if (candidate == task) return word;
  throw Bug("a task without a word");
}

bool learns_from_labels(const Recipe& recipe) {
  return std::any_of(recipe.objective.begin(), recipe.objective.end(),
                     [](const TermRecipe& term) { return term.function == TermFunction::cross_entropy; });
}

TaskRules task_rules(const Recipe& recipe, const ModelSpec& student, bool labels_needed) {
  // One class has probability 1 whatever the weights are; transformers reads such a head as a regression.
  if (student.task == Task::sequence_classification && student.num_classes < 2)
    throw InputError({student.architecture, "a classifier of at least 2 classes to train or evaluate",
                      std::to_string(student.num_classes) + " class",
                      "Regression is not available yet: choose a model with more classes, or set id2label in config.json.", ""});
  TaskRules rules;
  rules.targets = targets_of(student.task);
  rules.mask_probability = recipe.data.mask_probability.value_or(rules.mask_probability);
  rules.num_classes = student.task == Task::sequence_classification ? student.num_classes : 0;
  rules.labels_needed = labels_needed;
  return rules;
}

void check_recipe_for_task(const LoadedRecipe& loaded, Task task) {
  std::vector<Complaint> problems = task_problems(loaded, choice_of(task));
  if (!problems.empty()) throw RecipeError(std::move(problems));
}

void check_teacher_for_task(const Recipe& recipe, const ModelSpec& student, const ModelSpec& teacher) {
  if (teacher.task != student.task)
    throw RecipeError({"teacher.path", "a teacher for the student's task, " + word_of(student.task),
                       teacher.architecture + ", for " + word_of(teacher.task),
                       "Choose another teacher, or name the task of both: `task: " + word_of(teacher.task) + "`.", ""});
  if (student.task != Task::sequence_classification) return;
  if (teacher.num_classes != student.num_classes)
    throw InputError({"config.json",
                      "as many classes for the student as for the teacher (" + std::to_string(teacher.num_classes) + ")",
                      std::to_string(student.num_classes), "Set num_labels or id2label in the student's config.json.", ""});
  if (recipe.data.vocabulary == VocabularyCheck::check) compare_class_names(student, teacher);
}

std::string why_not_evaluated(const ModelSpec& student, const std::optional<ModelSpec>& teacher) {
  if (student.task != Task::embedding) return "";
  if (!teacher) return "embeddings are measured against a teacher's, and there is none";
  if (teacher->hidden_size == student.hidden_size) return "";
  return "embeddings of " + std::to_string(student.hidden_size) + " features have no cosine to the teacher's of " +
         std::to_string(teacher->hidden_size);
}

}  // namespace distill
