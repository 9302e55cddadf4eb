#include "distill/cli/run_parts.h"

#include <ATen/Context.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/torchscript.h"
#include "distill/cli/model_folder.h"
#include "distill/cli/task.h"
#include "distill/core/file.h"
#include "distill/core/hub_cache.h"
#include "distill/core/log.h"
#include "distill/core/units.h"
#include "distill/model/shrink.h"
#include "distill/teacher/script_model.h"
#include "distill/tensor/dtype.h"
#include "distill/tensor/usage.h"
#include "distill/text/vocabulary.h"

namespace distill {
namespace {

at::ScalarType save_dtype_of(DTypeChoice choice, const std::string& stored) {
  const std::string word = choice == DTypeChoice::automatic ? stored : std::string(enum_name(choice));
  return dtype_from_word(word).value_or(at::kFloat);
}

std::string parameters_text(int64_t count) { return count_text(static_cast<double>(count)) + " parameters"; }

int64_t count_elements(const std::vector<NamedTensor>& tensors, bool trained_only) {
  int64_t count = 0;
  for (const NamedTensor& one : tensors)
    if (!trained_only || one.tensor.requires_grad()) count += one.tensor.numel();
  return count;
}

// Where a model's tokenizer files lie: in its folder, or beside its script.
fs::path files_of(const std::string& path, Trust trust) {
  const bool one_file = trust == Trust::torchscript && !fs::is_directory(path);
  return one_file ? fs::absolute(path).parent_path() : fs::path(path);
}

fs::path teacher_files(const Recipe& recipe) {
  return recipe.teacher ? files_of(recipe.teacher->path, recipe.teacher->trust) : fs::path();
}

// Read once for its facts; the weights that train are read when the device is known.
StudentPlan plan_script_student(const Recipe& recipe) {
  StudentPlan plan;
  plan.is_script = true;
  plan.weights = recipe.student.path;
  plan.spec = ScriptModel::open(plan.weights, {at::kCPU, std::nullopt, /*trainable=*/true}).spec();
  plan.tokenizer_folder = files_of(recipe.student.path, Trust::torchscript);
  if (!has_tokenizer(plan.tokenizer_folder) && recipe.teacher) plan.tokenizer_folder = teacher_files(recipe);
  if (recipe.student.save_dtype != DTypeChoice::automatic) plan.script_dtype = save_dtype_of(recipe.student.save_dtype, "");
  return plan;
}

StudentPlan plan_fresh_student(const Recipe& recipe) {
  const InitRecipe& init = *recipe.student.init;
  StudentPlan plan;
  plan.spec = read_spec(parse_json(init.config.text, "student.init.config"), "student.init.config", task_of(recipe.task));
  plan.tokenizer_folder = init.tokenizer;
  if (plan.tokenizer_folder.empty() && recipe.teacher) plan.tokenizer_folder = teacher_files(recipe);
  plan.save_dtype = save_dtype_of(recipe.student.save_dtype, plan.spec.stored_dtype);
  return plan;
}

struct Cut {
  HfFolder folder;
  ModelSpec teacher;
  Resized student;
};

Cut cut_of(const Recipe& recipe) {
  const ShrinkRecipe& shrink = *recipe.student.shrink;
  Cut cut{open_hf_folder(recipe.teacher->path), {}, {}};
  cut.teacher = read_spec(cut.folder.config, (cut.folder.path / "config.json").string(), task_of(recipe.task));
  cut.student =
      resize(cut.teacher, {shrink.layers, shrink.hidden_size, shrink.num_heads, shrink.num_kv_heads, shrink.intermediate_size});
  return cut;
}

StudentPlan plan_cut_student(const Recipe& recipe) {
  Cut cut = cut_of(recipe);
  std::vector<Complaint> complaints;
  for (const SizeProblem& problem : cut.student.problems)
    complaints.push_back({"student.shrink." + problem.key, problem.expected, problem.found, problem.advice, ""});
  if (!complaints.empty()) throw RecipeError(std::move(complaints));
  StudentPlan plan;
  plan.spec = cut.student.spec;
  plan.weights = cut.folder.path;
  plan.tokenizer_folder = cut.folder.path;
  plan.save_dtype = save_dtype_of(recipe.student.save_dtype, stored_dtype(*cut.folder.weights, cut.teacher.stored_dtype));
  plan.cut = StudentCut{std::move(cut.teacher), std::move(cut.student.sizes)};
  return plan;
}

StudentPlan plan_model(const Recipe& recipe) {
  if (recipe.student.shrink) return plan_cut_student(recipe);
  if (recipe.student.init) return plan_fresh_student(recipe);
  if (recipe.student.trust == Trust::torchscript) return plan_script_student(recipe);
  const HfFolder folder = open_hf_folder(recipe.student.path);
  StudentPlan plan;
  plan.spec = read_spec(folder.config, (folder.path / "config.json").string(), task_of(recipe.task));
  plan.weights = folder.path;
  plan.tokenizer_folder = folder.path;
  if (!has_tokenizer(folder.path) && recipe.teacher) plan.tokenizer_folder = teacher_files(recipe);
  plan.save_dtype = save_dtype_of(recipe.student.save_dtype, stored_dtype(*folder.weights, plan.spec.stored_dtype));
  return plan;
}

// The weights that the student begins with.
Transformer first_student(const Recipe& recipe, const StudentPlan& plan, const LoadOptions& options) {
  if (plan.weights.empty()) return Transformer::initialise(plan.spec, static_cast<uint64_t>(recipe.train.seed), options);
  std::unique_ptr<TensorSource> source = open_hf_folder(plan.weights).weights;
  if (plan.cut) source = cut_weights(plan.cut->teacher, std::move(source), plan.spec, plan.cut->sizes);
  return Transformer::load(plan.spec, *source, options);
}

}  // namespace

Recipe with_local_models(Recipe recipe) {
  const auto resolve = [](std::string& word) {
    if (const auto folder = word.empty() ? std::nullopt : find_model_or_none(word)) word = folder->string();
  };
  resolve(recipe.student.path);  // what is not there is said where it is opened
  if (recipe.student.init) resolve(recipe.student.init->tokenizer);
  if (recipe.teacher) resolve(recipe.teacher->path);
  return recipe;
}

void check_cut(const LoadedRecipe& loaded, const Recipe& recipe) {
  if (!recipe.student.shrink) return;
  std::vector<Complaint> complaints;
  for (const SizeProblem& problem : cut_of(recipe).student.problems)
    complaints.push_back(loaded.complaint("student.shrink." + problem.key, problem.expected, problem.found, problem.advice));
  if (!complaints.empty()) throw RecipeError(std::move(complaints));
}

StudentPlan plan_student(const Recipe& recipe) {
  StudentPlan plan = plan_model(recipe);
  const std::string& chat_template = recipe.data.chat_template;
  if (!chat_template.empty()) plan.chat_template = read_file(chat_template);
  return plan;
}

ChatWords chat_words_of(const Recipe& recipe, const StudentPlan& student) {
  return chat_words(student.tokenizer_folder, recipe.data.chat_template);
}

std::unique_ptr<StudentModel> build_student(const Recipe& recipe, const StudentPlan& plan, const PrecisionPlan& precision,
                                            at::Device device) {
  if (plan.is_script)
    return std::make_unique<ScriptModel>(ScriptModel::open(plan.weights, {device, precision.master, /*trainable=*/true}));
  const LoadOptions options{precision.master, device, /*trainable=*/true};
  Transformer student = first_student(recipe, plan, options);
  student.freeze(recipe.student.freeze);
  return std::make_unique<Transformer>(std::move(student));
}

ForwardOptions forward_options(const Recipe& recipe, const ModelSpec& spec, GradientCheckpointing checkpointing) {
  const DropoutRecipe& dropout = recipe.student.dropout;
  ForwardOptions options;
  options.attention_dropout = dropout.from_config ? spec.attention_dropout : dropout.rate;
  options.hidden_dropout = dropout.from_config ? spec.hidden_dropout : dropout.rate;
  options.embedding_dropout = dropout.from_config ? spec.embedding_dropout : dropout.rate;
  options.classifier_dropout = dropout.from_config ? spec.classifier_dropout : dropout.rate;
  switch (checkpointing) {
    case GradientCheckpointing::automatic:
      throw Bug("nobody has said what `auto` means");
    case GradientCheckpointing::none:
      options.recompute = Recompute::none;
      break;
    case GradientCheckpointing::selective:
      options.recompute = Recompute::selective;
      break;
    case GradientCheckpointing::full:
      options.recompute = Recompute::full;
      break;
  }
  return options;
}

FoundTokenizer tokenizer_in(const fs::path& folder) {
  if (folder.empty() || !has_tokenizer(folder)) return {};
  try {
    return {load_tokenizer(folder), std::nullopt};
  } catch (const InputError& error) {
    if (has_tokenizer_json(folder)) throw;
    return {nullptr, error.complaints().front()};
  }
}

namespace {

struct Vocabularies {
  FoundTokenizer of_teacher;
  VocabularySide teacher, student;
  // Null on both sides when one has none; a student without a tokenizer of its own reads with the teacher's.
  bool differ() const {
    return teacher.tokenizer && student.tokenizer && teacher.tokenizer != student.tokenizer &&
           vocabulary_difference(teacher, student);
  }
};

Vocabularies vocabularies_of(const Recipe& recipe, const StudentPlan& student, const Tokenizer* student_tokenizer,
                             const ModelSpec& teacher) {
  Vocabularies both{tokenizer_in(teacher_files(recipe)), {}, {}};
  const bool own = student.tokenizer_folder != teacher_files(recipe);
  both.teacher = {both.of_teacher.get(), teacher.vocab_size};
  both.student = {own ? student_tokenizer : both.of_teacher.get(), student.spec.vocab_size};
  return both;
}

Vocabulary common_ids(const Recipe& recipe, const StudentPlan& student, const Vocabularies& both) {
  const CommonVocabulary common =
      common_vocabulary(both.teacher, both.student, recipe.data.vocabulary == VocabularyCheck::assume_same);
  const bool over_vocabulary = student.spec.head_width() == student.spec.vocab_size;
  if (common.dropped > 0 && over_vocabulary)
    log::info("vocabulary: heads of " + std::to_string(both.teacher.width) + " (teacher) and " +
              std::to_string(student.spec.vocab_size) + " (student) ids; the " + std::to_string(common.dropped) + " from id " +
              std::to_string(common.width) + " on, which name no token, are left out of the loss");
  return {common.width, /*shared=*/true, std::nullopt};
}

void warn_of_missing_figures() {
  log::warn("held-out figures leave out kl and top1_agreement: the teacher's tokenizer is not the student's");
}

// Positions of different tokenizers do not correspond one to one: what layers say at them cannot be compared, and pieces of so
// many tokens hold other texts on each side.
void refuse_what_needs_one_tokenizer(const LoadedRecipe& loaded, const Recipe& recipe) {
  std::vector<Complaint> complaints;
  for (size_t i = 0; i < recipe.objective.size(); ++i) {
    const TermRecipe& term = recipe.objective[i];
    if (!needs_teacher(term) || is_logits_term(term.function)) continue;
    complaints.push_back(
        loaded.complaint("objective." + std::to_string(i) + ".function", "terms that compare logits by `uld`, or cross_entropy",
                         std::string(enum_name(term.function)) +
                             ", while teacher and student have different tokenizers: their positions do not correspond",
                         "Remove the term, or choose a teacher with the student's tokenizer."));
  }
  if (recipe.data.overflow == Overflow::split)
    complaints.push_back(
        loaded.complaint("data.overflow", "truncate, as teacher and student have different tokenizers", "split",
                         "Pieces would end at other places of the text on each side: cut long documents in the data, or raise "
                         "data.sequence_length."));
  if (!complaints.empty()) throw RecipeError(std::move(complaints));
}

bool compares_by_ids(const TermRecipe& term) {
  return needs_teacher(term) && is_logits_term(term.function) && term.function != TermFunction::uld;
}

}  // namespace

Vocabulary agree_on_vocabulary(const LoadedRecipe& loaded, const Recipe& recipe, const StudentPlan& student,
                               const Tokenizer* student_tokenizer, const std::optional<ModelSpec>& teacher) {
  if (!teacher) return {student.spec.vocab_size, true, std::nullopt};
  Vocabularies both = vocabularies_of(recipe, student, student_tokenizer, *teacher);
  const std::vector<TermRecipe>& terms = recipe.objective;
  const bool needs_ids = student.spec.task != Task::causal_lm || recipe.data.vocabulary == VocabularyCheck::assume_same ||
                         std::any_of(terms.begin(), terms.end(), compares_by_ids);
  if (needs_ids || !both.differ()) return common_ids(recipe, student, both);
  Vocabulary vocabulary{student.spec.vocab_size, /*shared=*/false, std::nullopt};
  if (std::any_of(terms.begin(), terms.end(), needs_teacher)) {
    refuse_what_needs_one_tokenizer(loaded, recipe);
    log::info(
        "teacher and student have different tokenizers: each reads the text with its own, and uld compares the positions "
        "that have read the same of it");
    vocabulary.teacher = TeacherReader{std::move(both.of_teacher.tokenizer), teacher->vocab_size, teacher->max_positions,
                                       chat_words(teacher_files(recipe))};
  }
  if (!recipe.data.eval.empty()) warn_of_missing_figures();
  return vocabulary;
}

Vocabulary vocabulary_for_evaluation(const Recipe& recipe, const StudentPlan& student, const Tokenizer* student_tokenizer,
                                     const std::optional<ModelSpec>& teacher) {
  if (!teacher) return {student.spec.vocab_size, true, std::nullopt};
  const Vocabularies both = vocabularies_of(recipe, student, student_tokenizer, *teacher);
  const bool needs_ids = student.spec.task != Task::causal_lm || recipe.data.vocabulary == VocabularyCheck::assume_same;
  if (needs_ids || !both.differ()) return common_ids(recipe, student, both);
  warn_of_missing_figures();
  return {student.spec.vocab_size, /*shared=*/false, std::nullopt};
}

DataLimits data_limits(const StudentPlan& student, const std::optional<ModelSpec>& teacher, const Vocabulary& vocabulary,
                       const TaskRules& task, const ChatWords& words, const FoundTokenizer& tokenizer) {
  int64_t positions = student.spec.max_positions;
  if (teacher && vocabulary.shared) positions = std::min(positions, teacher->max_positions);
  return {vocabulary.width, positions, task, words, tokenizer.problem, vocabulary.teacher};
}

ModelShape shape_of(const ModelSpec& spec) {
  return {spec.num_layers, spec.hidden_size, spec.num_heads, spec.head_width(), spec.head_size};
}

Objective make_objective(const LoadedRecipe& loaded, const Recipe& recipe, const ModelSpec& student,
                         const std::optional<ModelSpec>& teacher, const ObjectiveOptions& options) {
  try {
    return {recipe.objective, shape_of(student), teacher ? std::optional(shape_of(*teacher)) : std::nullopt, options};
  } catch (const RecipeError& error) {
    std::vector<Complaint> complaints;
    for (const Complaint& one : error.complaints())
      complaints.push_back(loaded.complaint(one.where, one.expected, one.found, one.advice));
    throw RecipeError(std::move(complaints));
  }
}

PreparedPlace prepared_place(const Recipe& recipe) {
  const bool automatic = recipe.data.prepared == "auto";
  if (recipe.data.prepared == "none" || (automatic && recipe.output.empty())) return {};
  if (!automatic) return {recipe.data.prepared, /*min_bytes=*/0};
  const fs::path output = recipe.output;
  return {(output.filename().empty() ? output.parent_path() : output).parent_path() / ".prepared"};
}

std::shared_ptr<const Rows> load_eval_rows(const Recipe& recipe, const StudentPlan& student,
                                           const std::optional<ModelSpec>& teacher, const Tokenizer* tokenizer,
                                           const DataLimits& limits) {
  if (recipe.data.eval.empty()) return nullptr;
  const std::string reason = why_not_evaluated(student.spec, teacher);
  if (!reason.empty()) {
    log::warn("data.eval is not used: " + reason);
    return nullptr;
  }
  DataLimits alone = limits;
  alone.teacher.reset();
  return load_rows(recipe.data.eval, recipe.data, "data.eval", tokenizer, alone, static_cast<uint64_t>(recipe.train.seed),
                   prepared_place(recipe));
}

int64_t count_updates(const Duration& length, const UpdateStream& stream) {
  switch (length.unit) {
    case Unit::epochs: {
      const double updates = length.amount * static_cast<double>(stream.updates_per_epoch());
      return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(updates * (1 - 1e-12))));
    }
    case Unit::tokens:
      return stream.updates_for_tokens(length.amount);
    default:
      return std::max<int64_t>(1, static_cast<int64_t>(length.amount));
  }
}

void choose_cuda_backends() {
  at::globalContext().setSDPUseCuDNN(false);  // torch 2.11: NaN gradients of masked rows (pytorch issue 196678), a plan per shape
  // Sums in half precision inside a product over the vocabulary would round, or overflow, what the loss scale lifted.
  at::globalContext().setAllowFP16ReductionCuBLAS(false);
  at::globalContext().setAllowBF16ReductionCuBLAS(false);
}

void make_deterministic() {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);  // read when cuBLAS starts
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  at::globalContext().setBenchmarkCuDNN(false);
}

StreamOptions stream_options(const Recipe& recipe, at::Device device) {
  StreamOptions options;
  options.batch_size = *recipe.train.batch_size.value;
  options.accumulation = recipe.train.gradient_accumulation_steps;
  options.shuffle = recipe.data.shuffle;
  options.seed = static_cast<uint64_t>(recipe.train.seed);
  options.pin_memory = device.is_cuda();
  return options;
}

int64_t gradient_share_every(const TrainRecipe& recipe) {
  return recipe.log_gradient_share ? std::max<int64_t>(1, static_cast<int64_t>(recipe.log_every.amount)) : 0;
}

TrainerOptions trainer_options(const Recipe& recipe, const TrainOptions& options, const Rows& rows, int64_t total_updates) {
  TrainerOptions result;
  result.total_updates = total_updates;
  result.stop_at = options.max_steps;
  if (options.max_minutes) result.max_seconds = *options.max_minutes * 60;
  if (recipe.train.evaluate_every) result.evaluate_every = static_cast<int64_t>(recipe.train.evaluate_every->amount);
  result.save_every = recipe.train.save_every;
  result.keep_checkpoints = recipe.train.keep_checkpoints;
  result.most_pending = std::max<int64_t>(1, static_cast<int64_t>(recipe.train.log_every.amount));
  result.allow_other_data = options.allow_recipe_change;
  result.data_fingerprint = std::to_string(fingerprint_of(rows));
  return result;
}

std::optional<TrainResult> finished_before(const LoadedRecipe& loaded, const TrainOptions& options) {
  const fs::path output = loaded.recipe.output;
  const fs::path resolved = output / "recipe.resolved.yaml", summary = output / "summary.json";
  if (options.fresh || !fs::exists(resolved)) return std::nullopt;
  const Recipe before = parse_recipe(read_file(resolved), resolved.string(), {}).recipe;
  const std::vector<std::string> changes = recipe_changes(before, loaded.recipe);
  if (!changes.empty() && !options.allow_recipe_change) {
    std::string list;
    for (const std::string& change : changes) list += (list.empty() ? "" : "; ") + change;
    throw RecipeError(
        {output.string(), "the recipe that this run began with", list,
         "Restore the recipe, pass --allow-recipe-change, pass --fresh to move the old run aside, or choose another output.",
         ""});
  }
  if (!changes.empty() || before.train.length != loaded.recipe.train.length || !fs::exists(summary)) return std::nullopt;
  const TrainResult result = TrainResult::from_json(read_json_file(summary.string()), output);
  return result.finished ? std::optional(result) : std::nullopt;
}

void begin_run(const RunFolder& run, const LoadedRecipe& loaded) {
  fs::remove(run.file("summary.json"));  // an earlier end is not the end any more
  sync_folder(run.path());
  write_file_atomically(run.file("recipe.resolved.yaml"), recipe_yaml(loaded.recipe));
}

void save_student(const RunFolder& run, const StudentPlan& plan, const StudentModel& student) {
  if (const auto* script = dynamic_cast<const ScriptModel*>(&student)) {
    return save_model_folder(run.file("student"), [&](const fs::path& folder) {
      script->script().save(folder / kTorchScriptFile, plan.script_dtype);
      copy_tokenizer_files(plan.tokenizer_folder, folder, plan.chat_template);
    });
  }
  HfSaveOptions options;
  options.dtype = plan.save_dtype;
  options.copy_files_from = plan.tokenizer_folder;
  options.chat_template = plan.chat_template;
  options.generation_config_from = plan.weights;
  save_hf_folder(run.file("student"), plan.spec.config, student.parameters(), options);
}

TrainResult make_result(const RunFolder& run, const Trainer& trainer, const Baseline& baseline, bool finished, at::Device device,
                        int64_t total_updates) {
  const RunState& state = trainer.state();
  TrainResult result;
  result.finished = finished;
  result.step = state.update;
  result.total_steps = total_updates;
  result.teacher = baseline.teacher;
  result.student_before = baseline.student;
  // A run that was stopped between two evaluations has no figure of its own.
  if (trainer.last_evaluation() && trainer.last_evaluation()->step == state.update)
    result.student_after = trainer.last_evaluation();
  result.seconds = state.seconds;
  result.tokens_per_second = state.seconds > 0 ? static_cast<double>(state.input_tokens) / state.seconds : 0;
  result.peak_host_bytes = peak_host_bytes();
  result.peak_device_bytes = peak_device_bytes(device);
  result.skipped_updates = state.skipped_updates;
  result.output = run.path();
  result.student = run.file("student");
  return result;
}

TrainResult dry_result(const Recipe& recipe, int64_t total_updates) {
  TrainResult result;
  result.total_steps = total_updates;
  result.output = recipe.output;
  log::info("dry run: recipe, models and data are read and fit; " + std::to_string(total_updates) + " updates would be trained");
  return result;
}

StartEvent start_event(const Recipe& recipe, const StudentPlan& plan, const StudentModel& student, const Teacher* teacher,
                       const Objective& objective, const PrecisionPlan& precision, at::Device device, const Rows& rows,
                       const UpdateStream& stream, int64_t step, int64_t total_updates) {
  StartEvent event;
  event.total_steps = total_updates;
  event.device = device_text(device);
  event.precision = precision.text();
  event.student_parameters = count_elements(student.parameters(), false);
  event.trained_parameters = count_elements(student.parameters(), true) + count_elements(objective.parameters(), true);
  event.student = (plan.weights.empty() ? "fresh weights" : (plan.cut ? "cut from " : "") + plan.weights.string()) + ", " +
                  parameters_text(event.student_parameters);
  if (teacher) {
    event.teacher_parameters = teacher->num_parameters();
    event.teacher = recipe.teacher->path + ", " + parameters_text(event.teacher_parameters);
  }
  event.step = step;
  event.padding_per_epoch = stream.padding_per_epoch();
  event.tokens_per_epoch = counts_of(rows).input_tokens;
  event.updates_per_epoch = stream.updates_per_epoch();
  event.output = recipe.output;
  return event;
}

}  // namespace distill
