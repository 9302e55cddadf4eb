#include <c10/core/DeviceGuard.h>

#include <cstdio>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/torchscript.h"
#include "distill/cli/run_parts.h"
#include "distill/cli/summary.h"
#include "distill/cli/task.h"
#include "distill/cli/verbs_eval.h"
#include "distill/core/file.h"
#include "distill/core/log.h"
#include "distill/report/figures.h"
#include "distill/tensor/device.h"

namespace distill {
namespace {

// A model and a file on the command line are a small recipe.
Recipe recipe_of(const EvalCommand& command) {
  if (!command.recipe.empty()) {
    if (!command.model.empty() || !command.data.empty() || !command.teacher.empty())
      throw RecipeError({"distill eval", "a recipe, or --model and --data", "both", "Leave one of them out.", ""});
    return load_recipe(command.recipe, command.overrides).recipe;
  }
  if (command.model.empty() || command.data.empty())
    throw RecipeError({"distill eval", "a recipe, or --model DIR and --data FILE", "neither",
                       "Run `distill eval recipe.yaml` or `distill eval --model DIR --data FILE`.", ""});
  if (!command.overrides.empty())
    throw RecipeError({"distill eval --model", "no --set", command.overrides.front(), "Write a recipe, or leave --set out.", ""});
  Recipe recipe;
  recipe.student.path = command.model.string();
  recipe.data.eval = {SourceRecipe{command.data.string()}};
  if (!command.teacher.empty()) {
    recipe.teacher.emplace();
    recipe.teacher->path = command.teacher.string();
  }
  return recipe;
}

// The run's student when there is one, else the student that the recipe starts from.
void take_trained_student(Recipe& recipe) {
  const fs::path trained = fs::path(recipe.output) / "student";
  if (recipe.output.empty()) return;  // --model names the student itself
  if (!fs::exists(trained / "config.json") && !fs::exists(trained / kTorchScriptFile))
    return log::warn(trained.string() + " is not there yet: evaluating the student that the recipe starts from");
  recipe.student.path = trained.string();
  recipe.student.init.reset();
  recipe.student.shrink.reset();
  log::info("evaluating " + trained.string());
}

void print(const EvalEvent& event, bool json) {
  if (json) {
    std::printf("%s\n", eval_json(event).dump(2).c_str());
    return;
  }
  for (const Figure& figure : figures_of(event)) std::printf("%-22s %.6f\n", figure.title, figure.value);
  std::printf("%-22s %lld\n", "tokens", static_cast<long long>(event.tokens));
}

}  // namespace

EvalEvent evaluate_recipe(const Recipe& wished) {
  const Recipe recipe = with_local_models(wished);
  const at::Device device = parse_device(recipe.train.device);
  const c10::OptionalDeviceGuard on_device(device.is_cuda() ? std::optional(device) : std::nullopt);
  const PrecisionPlan precision = plan_precision(recipe.train.precision, device);
  const StudentPlan plan = plan_student(recipe);
  std::unique_ptr<Teacher> teacher;
  if (recipe.teacher) teacher = open_teacher(*recipe.teacher, precision.compute(), device, plan.spec.task);
  const std::optional<ModelSpec> teacher_spec = teacher ? std::optional(teacher->spec()) : std::nullopt;
  if (teacher) check_teacher_for_task(recipe, plan.spec, *teacher_spec);
  const std::string reason = why_not_evaluated(plan.spec, teacher_spec);
  if (!reason.empty())
    throw RecipeError({"distill eval", "a teacher whose embeddings are as wide as the student's", reason,
                       "Name one with --teacher or in the recipe.", ""});
  const auto tokenizer = tokenizer_in(plan.tokenizer_folder);
  const Vocabulary vocabulary = vocabulary_for_evaluation(recipe, plan, tokenizer.get(), teacher_spec);
  const auto rows =
      load_rows(recipe.data.eval, recipe.data, "data.eval", tokenizer.get(),
                data_limits(plan, teacher_spec, vocabulary, task_rules(recipe, plan.spec, /*labels_needed=*/!teacher),
                            chat_words_of(recipe, plan), tokenizer),
                static_cast<uint64_t>(recipe.train.seed), prepared_place(recipe));
  const std::unique_ptr<StudentModel> student = build_student(recipe, plan, precision, device);
  return evaluate(answers_of(*student), vocabulary.shared ? teacher.get() : nullptr, *rows,
                  {recipe.train.batch_size.value.value_or(4), precision, device, vocabulary.width, plan.spec.task});
}

int run_eval(const EvalCommand& command) {
  Recipe recipe = recipe_of(command);
  if (command.device_given) recipe.train.device = command.device;
  if (recipe.data.eval.empty())
    throw RecipeError(
        {command.recipe.string(), "held-out rows in data.eval", "none", "Add `eval: [{path: eval.jsonl}]` under data.", ""});
  take_trained_student(recipe);
  print(evaluate_recipe(recipe), command.json);
  return 0;
}

}  // namespace distill
