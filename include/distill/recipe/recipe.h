// The user's wish, as plain structs. Below this room nobody sees YAML.
// Each struct lists its fields once (`fields`); reading, printing, schema, diff and fingerprint follow from that list.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "distill/core/error.h"
#include "distill/recipe/data.h"
#include "distill/recipe/objective.h"
#include "distill/recipe/optim.h"
#include "distill/recipe/student.h"
#include "distill/recipe/teacher.h"
#include "distill/recipe/train.h"

namespace distill {

// What the models are trained for; `automatic` = what the student's config.json says (its entry of `architectures`).
enum class TaskChoice { automatic, causal_lm, masked_lm, sequence_classification, embedding };
template <>
struct EnumNames<TaskChoice> {
  static constexpr std::pair<TaskChoice, std::string_view> kNames[] = {
      {TaskChoice::automatic, "auto"},
      {TaskChoice::causal_lm, "causal_lm"},
      {TaskChoice::masked_lm, "masked_lm"},
      {TaskChoice::sequence_classification, "sequence_classification"},
      {TaskChoice::embedding, "embedding"}};
};

struct Recipe {
  std::optional<TeacherRecipe> teacher;
  StudentRecipe student;
  TaskChoice task = TaskChoice::automatic;
  DataRecipe data;
  std::vector<TermRecipe> objective = {TermRecipe{}};
  OptimizerRecipe optimizer;
  ScheduleRecipe schedule;
  TrainRecipe train;
  std::string output;
  bool operator==(const Recipe&) const = default;

  template <class Visit>
  static void fields(Visit& v) {
    v(&Recipe::teacher, "teacher", "the model to learn from; needed when a term reads it");
    v(&Recipe::student, "student", "the model that learns").required();
    v(&Recipe::task, "task",
      "what both models do: causal_lm (the next token), masked_lm (hidden tokens), sequence_classification (one label for a "
      "row), "
      "embedding (one vector for a row); auto: what `architectures` in the student's config.json says");
    v(&Recipe::data, "data", "what both read").required();
    v(&Recipe::objective, "objective", "weighted terms; the total is the sum of weight * term");
    v(&Recipe::optimizer, "optimizer", "how weights move");
    v(&Recipe::schedule, "schedule", "the learning rate over time");
    v(&Recipe::train, "train", "length, batch, precision, saving").required();
    v(&Recipe::output, "output", "the run folder").required().may_change();
  }
};

// Where a value of the resolved recipe came from: "default", "recipe.yaml:12", "--set".
using Origins = std::map<std::string, std::string>;  // key: dotted path, list items by index: objective.0.weight

// Where a key stands, for messages: "recipe.yaml:12:9" or "--set a.b=c", and the line with a caret.
struct KeyPlace {
  std::string where;
  std::string excerpt;
};

struct LoadedRecipe {
  Recipe recipe;
  Origins origins;
  std::vector<Complaint> warnings;         // findings that do not stop a run
  std::string name;                        // the file, for messages
  std::map<std::string, KeyPlace> places;  // of the keys that were written; dotted paths as in Origins

  // A complaint about the value at `path`, with the place where it (or the section around it) was written.
  Complaint complaint(const std::string& path, std::string expected, std::string found, std::string advice) const;
};

// Reads and validates a recipe file. `overrides` are `a.b=c` texts of --set, applied in order, lists by index.
// Throws RecipeError with every problem of the file and the overrides at once.
LoadedRecipe load_recipe(const std::filesystem::path& file, const std::vector<std::string>& overrides);
// The same without throwing: `problems` is empty when `loaded` is good.
struct ExaminedRecipe {
  LoadedRecipe loaded;
  std::vector<Complaint> problems;
};
ExaminedRecipe examine_recipe(const std::filesystem::path& file, const std::vector<std::string>& overrides);
ExaminedRecipe examine_recipe_text(const std::string& yaml, const std::string& name, const std::vector<std::string>& overrides);
// Paths of the recipe that are not there or are no model folders, by looking at names only. Opens no file.
std::vector<Complaint> missing_files(const LoadedRecipe& loaded);

// load_recipe for a text that is not in a file (the demo); `name` stands for the file in messages.
LoadedRecipe parse_recipe(const std::string& yaml, const std::string& name, const std::vector<std::string>& overrides);

// The whole recipe as YAML, defaults included. With origins, each line ends in a comment that says where the value came from.
// parse_recipe of the result gives an equal recipe.
std::string recipe_yaml(const Recipe& recipe, const Origins* origins = nullptr);

// JSON Schema (2020-12) of the recipe, indented.
std::string recipe_schema();

// A hash over every value that may change the next loss; length, logging, saving, evaluation, device and output are left out.
std::string recipe_fingerprint(const Recipe& recipe);
// Lines `path: old -> new` for the values that recipe_fingerprint covers and that differ.
std::vector<std::string> recipe_changes(const Recipe& before, const Recipe& after);

// True when the term reads the teacher.
bool needs_teacher(const TermRecipe& term);
// Families of functions. cross_entropy is a logits term: it reads the student's.
bool is_logits_term(TermFunction function);
bool is_hidden_term(TermFunction function);
bool is_attention_term(TermFunction function);
bool is_embedding_term(TermFunction function);

// What the recipe asks for and a task does not have: terms that it cannot compute, options that mean nothing there. `check`
// looks when the recipe names its task, a run once the student's config.json has told it. `task` is not `automatic`.
std::vector<Complaint> task_problems(const LoadedRecipe& loaded, TaskChoice task);

}  // namespace distill
