// The steps of src/cli/train.cpp, each a function: from a recipe's section to a living part.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "distill/cli/train.h"
#include "distill/data/stream.h"
#include "distill/model/transformer.h"
#include "distill/objective/objective.h"
#include "distill/recipe/recipe.h"
#include "distill/spec/resize.h"
#include "distill/teacher/teacher.h"
#include "distill/text/tokenizer.h"
#include "distill/train/evaluate.h"
#include "distill/train/precision.h"
#include "distill/train/trainer.h"

namespace distill {

// The recipe with hub ids replaced by their snapshots in the local cache. The run folder keeps the words that the user wrote.
Recipe with_local_models(Recipe recipe);

// A student that is cut from its teacher: what it is cut from, and to which sizes.
struct StudentCut {
  ModelSpec teacher;
  ModelSizes sizes;
};

// Where the student's facts and files come from, before any weight is read.
struct StudentPlan {
  ModelSpec spec;
  std::filesystem::path weights;           // folder, or the file of a script; empty: fresh weights
  std::filesystem::path tokenizer_folder;  // empty: none anywhere
  std::string chat_template;               // the text of data.chat_template, for the student's folder; empty: the folder's own
  at::ScalarType save_dtype = at::kFloat;
  bool is_script = false;                      // a TorchScript module
  std::optional<at::ScalarType> script_dtype;  // type that it is saved in; none: each tensor as it was stored
  std::optional<StudentCut> cut;               // `weights` are then the teacher's
};
StudentPlan plan_student(const Recipe& recipe);
// RecipeError, with the places of the keys, for sizes of `student.shrink` that this teacher does not have. `recipe` is `loaded`
// with local models.
void check_cut(const LoadedRecipe& loaded, const Recipe& recipe);
std::unique_ptr<StudentModel> build_student(const Recipe& recipe, const StudentPlan& plan, const PrecisionPlan& precision,
                                            at::Device device);
ForwardOptions forward_options(const Recipe& recipe, const ModelSpec& spec, GradientCheckpointing checkpointing);

// A folder's tokenizer, or why it has none: data decides whether one is needed.
struct FoundTokenizer {
  std::unique_ptr<Tokenizer> tokenizer;  // null: none
  std::optional<Complaint> problem;      // the folder's vocabulary files are of a class that is not available
  const Tokenizer* get() const { return tokenizer.get(); }
};
// InputError for a tokenizer.json that cannot be used.
FoundTokenizer tokenizer_in(const std::filesystem::path& folder);
// The template that writes conversations: that of `data.chat_template`, else of the tokenizer's folder.
ChatWords chat_words_of(const Recipe& recipe, const StudentPlan& student);
// What teacher and student mean by their ids.
struct Vocabulary {
  int64_t width = 0;   // ids from here on are dropped on both sides (DESIGN section 4, Vocabulary), and refused in data
  bool shared = true;  // false: the teacher's ids are others, and nothing that compares ids is defined
  std::optional<TeacherReader> teacher;  // its tokenizer, when the ids are others and a term compares the models all the same
};
// Ids that differ are InputError, unless the terms that read the teacher do without: `uld`, of a causal model. RecipeError, with
// the places of the keys, for terms beside it that compare layers and for data.overflow: split. Warns when held-out figures lack
// the teacher for that reason.
Vocabulary agree_on_vocabulary(const LoadedRecipe& loaded, const Recipe& recipe, const StudentPlan& student,
                               const Tokenizer* student_tokenizer, const std::optional<ModelSpec>& teacher);
// The same for held-out figures, which leave out what needs common ids.
Vocabulary vocabulary_for_evaluation(const Recipe& recipe, const StudentPlan& student, const Tokenizer* student_tokenizer,
                                     const std::optional<ModelSpec>& teacher);
DataLimits data_limits(const StudentPlan& student, const std::optional<ModelSpec>& teacher, const Vocabulary& vocabulary,
                       const TaskRules& task, const ChatWords& words, const FoundTokenizer& tokenizer);
ModelShape shape_of(const ModelSpec& spec);
// RecipeError, with the places of the keys, for terms that do not fit the models. `recipe` is `loaded` with local models.
Objective make_objective(const LoadedRecipe& loaded, const Recipe& recipe, const ModelSpec& student,
                         const std::optional<ModelSpec>& teacher, const ObjectiveOptions& options);

// Where data.prepared keeps tokenised rows.
PreparedPlace prepared_place(const Recipe& recipe);

// The rows of data.eval, as the student reads them; null without them, and, with a warning, when they would tell nothing.
std::shared_ptr<const Rows> load_eval_rows(const Recipe& recipe, const StudentPlan& student,
                                           const std::optional<ModelSpec>& teacher, const Tokenizer* tokenizer,
                                           const DataLimits& limits);

// Number of updates of `train.length`.
int64_t count_updates(const Duration& length, const UpdateStream& stream);

// The earlier run in the output folder, looked at without touching it: throws RecipeError when the recipe changed in a way that
// needs --allow-recipe-change; returns its result when it is finished and this recipe asks for nothing more.
std::optional<TrainResult> finished_before(const LoadedRecipe& recipe, const TrainOptions& options);

// Held-out figures of the teacher and of the untrained student: measured once, at the start of a run, kept in baseline.json.
struct Baseline {
  std::optional<EvalEvent> teacher, student;
};
Baseline read_or_measure_baseline(const RunFolder& run, bool resumed, const StudentModel& student, Teacher* teacher,
                                  const Rows* eval_rows, const EvaluateOptions& options);

// Once at the start, before the first GPU operation.
void choose_cuda_backends();
void make_deterministic();
StreamOptions stream_options(const Recipe& recipe, at::Device device);
// Updates between two measurements of the terms' shares in the gradient; 0 = never.
int64_t gradient_share_every(const TrainRecipe& recipe);
TrainerOptions trainer_options(const Recipe& recipe, const TrainOptions& options, const Rows& rows, int64_t total_updates);

// Leaves recipe.resolved.yaml in the run folder and takes an old summary away. Called once nothing can refuse the run any more.
void begin_run(const RunFolder& run, const LoadedRecipe& recipe);
// student/: a Hugging Face folder in the student's stored type; for a script model.pt and the tokenizer files.
void save_student(const RunFolder& run, const StudentPlan& plan, const StudentModel& student);
TrainResult make_result(const RunFolder& run, const Trainer& trainer, const Baseline& baseline, bool finished, at::Device device,
                        int64_t total_updates);
TrainResult dry_result(const Recipe& recipe, int64_t total_updates);

StartEvent start_event(const Recipe& recipe, const StudentPlan& student, const StudentModel& model, const Teacher* teacher,
                       const Objective& objective, const PrecisionPlan& precision, at::Device device, const Rows& rows,
                       const UpdateStream& stream, int64_t step, int64_t total_updates);

}  // namespace distill
