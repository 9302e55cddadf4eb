// The table of contents of the project: a distillation run from top to bottom.
#include "distill/cli/train.h"

#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <cstdio>

#include "distill/checkpoint/open.h"
#include "distill/cli/run_parts.h"
#include "distill/cli/summary.h"
#include "distill/cli/task.h"
#include "distill/cli/update_facts.h"
#include "distill/core/log.h"
#include "distill/report/log_file.h"
#include "distill/tensor/device.h"
#include "distill/tensor/usage.h"

namespace distill {

TrainResult run_training(const LoadedRecipe& loaded, const TrainOptions& options) {
  const Recipe recipe = with_local_models(loaded.recipe);
  const at::Device device = parse_device(recipe.train.device);
  const c10::OptionalDeviceGuard on_device(device.is_cuda() ? std::optional(device) : std::nullopt);
  if (const auto done = finished_before(loaded, options)) return *done;
  const PrecisionPlan precision = plan_precision(recipe.train.precision, device);
  if (options.deterministic) make_deterministic();

  // Everything that the user gave is read before the run folder is touched: bad input leaves nothing half-written.
  check_cut(loaded, recipe);
  const StudentPlan student_plan = plan_student(recipe);
  const Task task = student_plan.spec.task;
  check_recipe_for_task(loaded, task);
  const bool learns_from_teacher = std::any_of(recipe.objective.begin(), recipe.objective.end(), needs_teacher);
  std::unique_ptr<Teacher> teacher;
  // Held-out figures compare with the teacher even when no term reads it.
  if (learns_from_teacher || (recipe.teacher && !recipe.data.eval.empty()))
    teacher = open_teacher(*recipe.teacher, precision.compute(), device, task);
  const std::optional<ModelSpec> teacher_spec = teacher ? std::optional(teacher->spec()) : std::nullopt;
  if (teacher) check_teacher_for_task(recipe, student_plan.spec, *teacher_spec);

  const auto tokenizer = tokenizer_in(student_plan.tokenizer_folder);
  const Vocabulary vocabulary = agree_on_vocabulary(loaded, recipe, student_plan, tokenizer.get(), teacher_spec);
  const ChatWords words = chat_words_of(recipe, student_plan);
  const auto limits = [&](bool labels_needed) {
    return data_limits(student_plan, teacher_spec, vocabulary, task_rules(recipe, student_plan.spec, labels_needed), words,
                       tokenizer);
  };
  const uint64_t seed = static_cast<uint64_t>(recipe.train.seed);
  const auto rows = load_rows(recipe.data.train, recipe.data, "data.train", tokenizer.get(), limits(learns_from_labels(recipe)),
                              seed, prepared_place(recipe));
  const auto eval_rows = load_eval_rows(recipe, student_plan, teacher_spec, tokenizer.get(), limits(!teacher));
  UpdateStream stream(rows, stream_options(recipe, device));
  const int64_t total_updates = count_updates(recipe.train.length, stream);

  const std::unique_ptr<StudentModel> built = build_student(recipe, student_plan, precision, device);
  const StudentModel& student = *built;
  Objective objective = make_objective(
      loaded, recipe, student.spec(), teacher_spec,
      {seed, precision.master, precision.compute(), device, vocabulary.width, !student.spec().causal, open_weights});
  const ForwardOptions forward = forward_options(
      recipe, student.spec(), choose_checkpointing(recipe, student.spec(), teacher_spec, objective, precision, device));
  if (precision.autocast) built->keep_casts(*precision.autocast, forward.recompute);
  std::vector<NamedTensor> trained = student.parameters();
  trained.insert(trained.end(), objective.parameters().begin(), objective.parameters().end());
  Optimizer optimizer(recipe.optimizer, trained, objective.peak_rates());
  LossScaler scaler({.enabled = precision.loss_scaling}, device);
  const double updates_per_token =
      static_cast<double>(stream.updates_per_epoch()) / static_cast<double>(counts_of(*rows).kept_tokens);
  const Schedule schedule = make_schedule(recipe.schedule, recipe.optimizer.learning_rate, total_updates, updates_per_token);
  if (options.dry_run) return dry_result(recipe, total_updates);

  const RunFolder run = RunFolder::open(recipe.output, options.fresh);
  LogFile log_file(run.file("log.jsonl"), static_cast<int64_t>(recipe.train.log_every.amount));
  Progress progress(options.progress, static_cast<int64_t>(recipe.train.log_every.amount));
  const EvaluateOptions eval_options{*recipe.train.batch_size.value, precision, device, vocabulary.width, task};
  Teacher* const judge = vocabulary.shared ? teacher.get() : nullptr;  // of held-out rows, which the student's tokenizer reads
  const auto evaluate_now = [&] { return evaluate(answers_of(student), judge, *eval_rows, eval_options); };
  const StepParts parts{student,
                        learns_from_teacher ? teacher.get() : nullptr,
                        objective,
                        optimizer,
                        scaler,
                        precision,
                        forward,
                        recipe.optimizer.max_grad_norm.value.value_or(0),
                        seed,
                        device,
                        gradient_share_every(recipe.train)};
  Trainer trainer(parts, stream, schedule, trainer_options(recipe, options, *rows, total_updates), run, {&log_file, &progress},
                  eval_rows ? std::function<EvalEvent()>(evaluate_now) : nullptr);
  const bool resumed = trainer.resume();
  begin_run(run, loaded);
  for (Observer* observer : {static_cast<Observer*>(&log_file), static_cast<Observer*>(&progress)})
    observer->on_start(start_event(recipe, student_plan, student, teacher.get(), objective, precision, device, *rows, stream,
                                   trainer.state().update, total_updates));

  const Baseline baseline = read_or_measure_baseline(run, resumed, student, judge, eval_rows.get(), eval_options);
  const bool finished = trainer.run();

  save_student(run, student_plan, student);
  const TrainResult result = make_result(run, trainer, baseline, finished, device, total_updates);
  write_summary(run, loaded, result);
  for (Observer* observer : {static_cast<Observer*>(&log_file), static_cast<Observer*>(&progress)})
    observer->on_finish({result.step, finished, result.seconds});
  return result;
}

int run_train(const TrainCommand& command) {
  const LoadedRecipe loaded = load_recipe(command.recipe, command.overrides);
  for (const Complaint& warning : loaded.warnings) log::warn(warning.text());
  const TrainResult result = run_training(loaded, command.options);
  const std::string text =
      command.json ? result.json().dump(2) + "\n" : closing_summary(result, loaded.recipe, command.recipe.string());
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace distill
