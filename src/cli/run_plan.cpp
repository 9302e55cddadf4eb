// Gathers what `distill plan` tells, from config.json files, headers of weights, the run's log and the machine.
#include "distill/cli/run_plan.h"

#include <algorithm>
#include <sstream>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/open.h"
#include "distill/checkpoint/torchscript.h"
#include "distill/cli/run_parts.h"
#include "distill/cli/task.h"
#include "distill/core/file.h"
#include "distill/core/log.h"
#include "distill/plan/hardware.h"
#include "distill/teacher/dtype.h"
#include "distill/tensor/device.h"
#include "distill/tensor/usage.h"

namespace distill {
namespace {

// A GPU that is planned for and not here is taken for a T4.
constexpr int kAbsentCapability = 75;

struct Target {
  DeviceFacts facts;
  std::optional<at::Device> here;  // absent: a GPU on another machine
  PrecisionPlan precision;
  std::string text;
};

Target find_target(const TrainRecipe& train, bool memory_is_stated) {
  const bool elsewhere = train.device.rfind("cuda", 0) == 0 && !has_cuda() && memory_is_stated;
  if (elsewhere) {
    const Precision precision = train.precision == Precision::automatic ? Precision::float16 : train.precision;
    return {
        {true, kAbsentCapability}, {}, plan_precision(precision, at::Device(at::kCUDA, 0)), "a GPU that is not here (as sm_75)"};
  }
  const at::Device device = parse_device(train.device);
  return {facts_of(device), device, plan_precision(train.precision, device), device_text(device)};
}

int64_t size_of(at::ScalarType dtype) { return static_cast<int64_t>(c10::elementSize(dtype)); }

// The largest tensor as it is stored, and its copy in another type.
int64_t loading_bytes(const TensorSource& source, at::ScalarType dtype) {
  int64_t largest = 0;
  for (const TensorMeta& meta : source.tensors()) {
    int64_t elements = 1;
    for (const int64_t axis : meta.shape) elements *= axis;
    largest = std::max(largest, static_cast<int64_t>(meta.bytes) + (meta.dtype == dtype ? 0 : elements * size_of(dtype)));
  }
  return largest;
}

struct TeacherHeaders {
  std::optional<ModelSpec> spec;  // absent: none is used, or a script
  int64_t script_bytes = 0;
  int64_t loading = 0;
};

bool is_script(const TeacherRecipe& teacher) { return teacher.trust == Trust::torchscript; }

int64_t script_bytes(const fs::path& path) {
  const fs::path file = fs::is_directory(path) ? path / kTorchScriptFile : path;
  return static_cast<int64_t>(ReadFile(file).size());
}

TeacherHeaders read_teacher(const Recipe& recipe, const Target& target, std::optional<Task> task) {
  TeacherHeaders teacher;
  const bool learns = std::any_of(recipe.objective.begin(), recipe.objective.end(), needs_teacher);
  if (!recipe.teacher || (!learns && recipe.data.eval.empty())) return teacher;
  if (is_script(*recipe.teacher)) {
    teacher.script_bytes = script_bytes(recipe.teacher->path);
    return teacher;
  }
  const HfFolder folder = open_hf_folder(recipe.teacher->path);
  teacher.spec = read_spec(folder.config, (folder.path / "config.json").string(), task);
  teacher.loading =
      loading_bytes(*folder.weights, teacher_dtype(*recipe.teacher, target.precision.compute(), !target.facts.is_gpu));
  return teacher;
}

// Terms that a student alone can compute: what is left when nothing is known of the teacher.
Recipe without_teacher(Recipe recipe) {
  recipe.teacher.reset();
  std::erase_if(recipe.objective, [](const TermRecipe& term) { return !is_logits_term(term.function); });
  for (TermRecipe& term : recipe.objective) term = TermRecipe{.function = TermFunction::cross_entropy};
  return recipe;
}

// The objective on no device: it tells what it needs and what it trains.
UpdateFacts facts_of_run(const LoadedRecipe& loaded, const Recipe& recipe, const StudentPlan& student,
                         const std::optional<ModelSpec>& teacher, const Target& target) {
  const int64_t width = teacher ? compared_width(recipe, student.spec, *teacher) : student.spec.head_width();
  const Objective objective = make_objective(loaded, recipe, student.spec, teacher,
                                             {static_cast<uint64_t>(recipe.train.seed), target.precision.master,
                                              target.precision.compute(), at::kMeta, width, !student.spec.causal, open_weights});
  return update_facts(recipe, student.spec, teacher, objective, target.precision, target.facts);
}

int64_t bytes_in(const fs::path& folder) {
  int64_t bytes = 0;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(folder, error); !error && entry != fs::end(entry); entry.increment(error))
    if (entry->is_regular_file(error)) bytes += static_cast<int64_t>(entry->file_size(error));
  return bytes;
}

DiskPlan disk_plan(const Recipe& recipe, const StudentPlan& student, const UpdateFacts& facts) {
  DiskPlan disk;
  const int64_t trained = count_trained(facts.student.spec, facts.freeze) + facts.features.trained_elements;
  disk.checkpoint_bytes = bytes_of_weights(facts.student.spec, facts.master_bytes) +
                          (2 * trained + facts.features.trained_elements) * facts.master_bytes;
  disk.num_checkpoints = recipe.train.keep_checkpoints + 1;
  disk.student_bytes = bytes_of_weights(facts.student.spec, size_of(student.save_dtype));
  disk.free_bytes = free_disk_bytes(recipe.output);
  for (const char* part : {"checkpoints", "student"}) disk.held_bytes += bytes_in(fs::path(recipe.output) / part);
  return disk;
}

// Forward once and backward twice for the student, its blocks once more when they are recomputed; forward for the teacher.
double flops_per_update(const UpdateFacts& facts, int64_t accumulation) {
  const double passes = facts.checkpointing == GradientCheckpointing::full ? 4 : 3;
  double per_token = passes * forward_flops_per_token(facts.student.spec, facts.length);
  if (facts.teacher) per_token += forward_flops_per_token(facts.teacher->spec, facts.length);
  return per_token * static_cast<double>(facts.tokens() * accumulation);
}

// From the lines that are whole; a log that is being written may end in the middle of one.
std::optional<MeasuredTime> measured_time(const fs::path& log) {
  constexpr size_t kNewest = 100;
  if (!fs::exists(log)) return std::nullopt;
  std::vector<double> seconds;
  MeasuredTime time;
  std::istringstream text(read_file(log));
  for (std::string line; std::getline(text, line);) {
    const Json event = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto member = [&](const char* name) { return event.is_object() && event.contains(name) ? event[name] : Json(); };
    if (member("event") != "step" || !member("seconds").is_number() || !member("step").is_number_integer()) continue;
    seconds.push_back(member("seconds").get<double>());
    time.newest_step = member("step").get<int64_t>();
  }
  if (seconds.empty()) return std::nullopt;
  if (seconds.size() > kNewest) seconds.erase(seconds.begin(), seconds.end() - kNewest);
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<long>(seconds.size() / 2), seconds.end());
  time.seconds_per_update = seconds[seconds.size() / 2];
  time.num_updates = static_cast<int64_t>(seconds.size());
  return time;
}

void name_what_is_missing(RunPlan& plan, const Recipe& recipe) {
  plan.not_counted.push_back("rows of data in memory and their number: known once they are read");
  if (recipe.teacher && is_script(*recipe.teacher))
    plan.not_counted.push_back("the TorchScript teacher's activations and the terms that read it: a script tells no sizes");
  if (recipe.student.trust == Trust::torchscript)
    plan.not_counted.push_back("the TorchScript student: weights, activations, checkpoints: a script tells no sizes");
  for (const TermRecipe& term : recipe.objective)
    if (term.function == TermFunction::sae_features)
      plan.not_counted.push_back("features of sae_features: their number stands in the autoencoder's file");
}

void plan_known_student(const LoadedRecipe& loaded, const Recipe& recipe, const Target& target, RunPlan& plan) {
  check_cut(loaded, recipe);
  const StudentPlan student = plan_student(recipe);
  check_recipe_for_task(loaded, student.spec.task);
  const TeacherHeaders teacher = read_teacher(recipe, target, student.spec.task);
  if (teacher.spec) check_teacher_for_task(recipe, student.spec, *teacher.spec);
  const bool blind = teacher.script_bytes > 0;
  UpdateFacts facts = facts_of_run(loaded, blind ? without_teacher(recipe) : recipe, student, teacher.spec, target);
  facts.idle_teacher_bytes += teacher.script_bytes;
  const int64_t accumulation = recipe.train.gradient_accumulation_steps;
  plan.memory = fit_update(facts, accumulation, plan.free_bytes);
  facts.checkpointing = plan.memory->checkpointing;
  plan.disk = disk_plan(recipe, student, facts);
  plan.loading_bytes = teacher.loading;
  if (!student.weights.empty())
    plan.loading_bytes =
        std::max(plan.loading_bytes, loading_bytes(*open_hf_folder(student.weights).weights, target.precision.master));
  if (!blind) plan.flops_per_update = flops_per_update(facts, accumulation);
}

}  // namespace

RunPlan make_run_plan(const LoadedRecipe& loaded, const PlanOptions& options) {
  const Recipe recipe = with_local_models(loaded.recipe);
  const Target target = find_target(recipe.train, options.stated_bytes.has_value());
  RunPlan plan;
  plan.device = target.text;
  plan.precision = target.precision.text();
  plan.free_is_stated = options.stated_bytes.has_value();
  plan.free_bytes = options.stated_bytes ? *options.stated_bytes : free_bytes_on(*target.here);
  if (plan.free_bytes == 0 && !plan.free_is_stated)
    throw RecipeError({"--memory", "the memory to plan for", "none, and this system does not tell what is free",
                       "Pass --memory \"16 GiB\".", ""});
  if (recipe.student.trust != Trust::torchscript)
    plan_known_student(loaded, recipe, target, plan);
  else
    script_bytes(recipe.student.path);  // at least it must be there
  if (recipe.train.length.unit == Unit::steps) plan.updates = static_cast<int64_t>(recipe.train.length.amount);
  plan.time = measured_time(fs::path(recipe.output) / "log.jsonl");
  name_what_is_missing(plan, recipe);
  return plan;
}

}  // namespace distill
