// The rules between values, one small function each, listed in the table at the end. Ranges of single values stand in the
// lists of fields; whether files exist is checked elsewhere (missing_files).
#include "validate.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "distill/core/fields.h"

#include "leaves.h"
#include "task_rules.h"

namespace distill {
namespace {

struct Checked {
  const Recipe& recipe;
  const GivenKeys& given;
  Report& report;

  bool is_given(const std::string& path) const { return given.contains(path); }
  bool is_good(const std::string& path) const { return !report.failed(path); }
  // The place of the key, or of the nearest section around it.
  Spot spot(std::string path, bool of_key) const {
    while (true) {
      const auto found = given.find(path);
      if (found != given.end()) return of_key ? found->second.key : found->second.value;
      const size_t dot = path.rfind('.');
      if (dot == std::string::npos) return {};
      path.resize(dot);
      of_key = true;
    }
  }
  void refuse(const std::string& path, std::string expected, std::string found, std::string advice) const {
    report.complain(spot(path, false), path, std::move(expected), std::move(found), std::move(advice));
  }
  void refuse_key(const std::string& path, std::string expected, std::string found, std::string advice) const {
    report.complain(spot(path, true), path, std::move(expected), std::move(found), std::move(advice));
  }
  void warn(const std::string& path, std::string expected, std::string found, std::string advice) const {
    report.warn(spot(path, false), path, std::move(expected), std::move(found), std::move(advice));
  }
};

std::string term_path(size_t index) { return "objective." + std::to_string(index); }

std::vector<std::string> backticked(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  out.reserve(words.size());
  for (const std::string& word : words) out.push_back("`" + word + "`");
  return out;
}

void student_has_one_origin(const Checked& c) {
  std::vector<std::string> all;
  std::vector<std::string> written;
  for (const std::string_view key : StudentRecipe::kExactlyOne) {
    const std::string path = "student." + std::string(key);
    all.push_back("`" + path + "`");
    if (c.is_given(path)) written.push_back(path);
  }
  if (!c.is_good("student")) return;
  if (written.empty())
    return c.refuse_key("student", "one of " + either(all), "none", "Add it, for example `student: {path: models/student}`.");
  if (written.size() > 1)
    c.refuse_key(written[1], "exactly one of " + either(all), either(backticked(written), "and"), "Remove all but one.");
}

void teacher_is_there_when_read(const Checked& c) {
  if (c.recipe.teacher || c.is_given("teacher.path") || !c.is_good("teacher") || !c.is_good("objective")) return;
  for (size_t i = 0; i < c.recipe.objective.size(); ++i) {
    const TermRecipe& term = c.recipe.objective[i];
    if (!needs_teacher(term) || !c.is_good(term_path(i) + ".function") || !c.is_good(term_path(i))) continue;
    return c.refuse_key(c.is_given(term_path(i)) ? term_path(i) : "teacher",
                        "`teacher:`, because `" + std::string(enum_name(term.function)) + "` reads it", "no teacher",
                        "Add `teacher: {path: models/teacher}`, or train without one: `objective: [{function: cross_entropy}]`.");
  }
}

// How deep and wide the teacher is, is known once its config.json has been read.
void a_cut_student_has_a_teacher(const Checked& c) {
  if (!c.recipe.student.shrink || !c.is_good("student.shrink") || !c.is_good("teacher")) return;
  if (!c.recipe.teacher && !c.is_given("teacher.path"))
    return c.refuse_key("student.shrink", "`teacher:`, because the student is cut from it", "no teacher",
                        "Add `teacher: {path: models/teacher}`, or name the student's own folder with `student.path`.");
  if (c.recipe.teacher && c.recipe.teacher->trust == Trust::torchscript)
    c.refuse_key("student.shrink", "a teacher with weights by name", "a TorchScript teacher",
                 "Name a Hugging Face folder as `teacher.path`, or the student's own folder as `student.path`.");
}

void a_cut_is_smaller_in_something(const Checked& c) {
  if (c.recipe.student.shrink && c.is_good("student.shrink") && *c.recipe.student.shrink == ShrinkRecipe{})
    c.warn("student.shrink", "a size to shrink to", "none", "A student that equals its teacher starts at KL 0.");
}

void cut_layers_ascend(const Checked& c) {
  const auto& shrink = c.recipe.student.shrink;
  if (!shrink || !shrink->layers || !c.is_good("student.shrink.layers")) return;
  const std::vector<int64_t>& layers = *shrink->layers;
  if (layers.empty())
    return c.refuse("student.shrink.layers", "at least one block", "an empty list", "For example `layers: [0, 2, 4]`.");
  for (size_t i = 1; i < layers.size(); ++i)
    if (layers[i] <= layers[i - 1])
      return c.refuse("student.shrink.layers." + std::to_string(i),
                      "a number above the one before it (" + std::to_string(layers[i - 1]) + ")", std::to_string(layers[i]),
                      "Blocks stay in the teacher's order, each once: sort the list.");
}

void objective_has_terms(const Checked& c) {
  if (!c.is_good("objective")) return;
  const auto& terms = c.recipe.objective;
  if (terms.empty()) return c.refuse("objective", "at least one term", "an empty list", "Add one, for example `{function: kl}`.");
  const bool all_zero = std::all_of(terms.begin(), terms.end(), [](const TermRecipe& term) { return term.weight.is_always(0); });
  if (all_zero)
    return c.refuse("objective", "a term with a weight above 0", "only weights of 0", "Give one term a weight, for example 1.");
  for (size_t i = 0; i < terms.size(); ++i)
    if (terms[i].weight.is_always(0))
      c.warn(term_path(i) + ".weight", "a weight above 0", "0",
             "The term is neither computed nor logged; give it a weight, or remove it.");
}

void terms_read_their_options(const Checked& c) {
  for (size_t i = 0; i < c.recipe.objective.size(); ++i) {
    const TermRecipe& term = c.recipe.objective[i];
    if (!c.is_good(term_path(i) + ".function") || !c.is_good(term_path(i))) continue;
    const std::string function(enum_name(term.function));
    std::vector<std::string> options;
    for (const FieldInfo& info : field_infos<TermRecipe>())
      if (term.reads(info.key)) options.emplace_back(info.key);
    for (const FieldInfo& info : field_infos<TermRecipe>()) {
      const std::string path = join_path(term_path(i), info.key);
      if (c.is_given(path) && !term.reads(info.key))
        c.refuse_key(path, "an option of `" + function + "`: " + either(options), "`" + std::string(info.key) + "`",
                     "Remove it; `" + function + "` does not use it.");
    }
  }
}

// A task that is `auto` is known once the student has been read.
void task_has_what_is_asked(const Checked& c) {
  if (c.recipe.task == TaskChoice::automatic || !c.is_good("task")) return;
  find_task_problems(c.recipe, c.recipe.task,
                     [&](const std::string& path, std::string expected, std::string found, std::string advice) {
                       if (c.is_good(path)) c.refuse(path, std::move(expected), std::move(found), std::move(advice));
                     });
}

void term_names_differ(const Checked& c) {
  const std::vector<std::string> names = term_names(c.recipe.objective);
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) ==
        names.begin() + static_cast<std::ptrdiff_t>(i))
      continue;
    c.refuse(join_path(term_path(i), c.recipe.objective[i].name.empty() ? "function" : "name"),
             "a name of its own for every term", "`" + names[i] + "` a second time", "Give the term another `name:`.");
  }
}

void attention_pairs_count_from_one(const Checked& c) {
  for (size_t i = 0; i < c.recipe.objective.size(); ++i) {
    const TermRecipe& term = c.recipe.objective[i];
    if (!is_attention_term(term.function)) continue;
    for (const auto& [student, teacher] : term.layer_mapping.pairs)
      if (student == 0 || teacher == 0)
        return c.refuse(term_path(i) + ".layer_mapping", "blocks, which count from 1", "layer 0",
                        "Layer 0 is the embeddings, which have no attention; the first block is 1.");
  }
}

void learned_mappings_mix_hidden_rows(const Checked& c) {
  for (size_t i = 0; i < c.recipe.objective.size(); ++i) {
    const TermRecipe& term = c.recipe.objective[i];
    if (term.layer_mapping.rule != LayerRule::learned || !term.reads("layer_mapping")) continue;
    if (is_hidden_term(term.function) && term.function != TermFunction::gram) continue;
    c.refuse(term_path(i) + ".layer_mapping", "uniform, last, all, or pairs [[student, teacher], ...]",
             "`learned`, which `" + std::string(enum_name(term.function)) + "` does not have",
             "A mix of layers is learned by hidden_mse, hidden_cosine, hidden_l1 and pkd.");
  }
}

void relations_are_named_once(const Checked& c) {
  for (size_t i = 0; i < c.recipe.objective.size(); ++i) {
    const std::vector<Relation>& relations = c.recipe.objective[i].relations;
    const std::string path = term_path(i) + ".relations";
    if (!c.is_good(path)) continue;
    if (relations.empty()) c.refuse(path, "at least one of v, q and k", "an empty list", "For example `relations: [q, k, v]`.");
    for (size_t j = 1; j < relations.size(); ++j)
      if (std::find(relations.begin(), relations.begin() + static_cast<std::ptrdiff_t>(j), relations[j]) !=
          relations.begin() + static_cast<std::ptrdiff_t>(j))
        c.refuse(join_path(path, std::to_string(j)), "every relation once",
                 "`" + std::string(enum_name(relations[j])) + "` a second time", "Remove it; a larger `weight` counts it more.");
  }
}

// A file of a name that no SAELens folder has, so that nothing beside it can say which layer it reads.
bool is_lone_file(const std::string& path) {
  const bool is_file = path.ends_with(".safetensors") || path.ends_with(".pt") || path.ends_with(".bin");
  return is_file && !path.ends_with("sae_weights.safetensors");
}

void autoencoders_are_given_and_fit(const Checked& c) {
  for (size_t i = 0; i < c.recipe.objective.size(); ++i) {
    const TermRecipe& term = c.recipe.objective[i];
    if (term.function != TermFunction::sae_features || !c.is_good(term_path(i))) continue;
    if (!term.sae) {
      if (c.is_good(term_path(i) + ".sae"))
        c.refuse_key(term_path(i), "`sae:`, because sae_features reads an autoencoder", "no `sae`",
                     "For example `sae: {path: sae.safetensors, layer: 8}`.");
      continue;
    }
    if (!term.sae->layer && is_lone_file(term.sae->path))
      c.refuse_key(term_path(i) + ".sae", "`layer:`, the teacher's hidden state that the autoencoder reads", "no `layer`",
                   "Add it, for example `layer: 8`; only a SAELens folder names its own.");
    if (term.sae->activation == SaeActivation::topk && !term.sae->k && is_lone_file(term.sae->path))
      c.refuse(term_path(i) + ".sae.activation", "`k` beside topk", "no `k`",
               "Say how many features are kept, for example `k: 32`.");
    if (!term.sae->threshold.empty() && term.sae->activation != SaeActivation::jumprelu &&
        term.sae->activation != SaeActivation::automatic)
      c.refuse_key(term_path(i) + ".sae.threshold", "thresholds beside `activation: jumprelu`",
                   "`activation: " + std::string(enum_name(term.sae->activation)) + "`", "Remove one of the two.");
  }
}

// Theirs is a share of one schedule's peak.
void projector_rates_have_a_schedule(const Checked& c) {
  for (size_t i = 0; i < c.recipe.objective.size(); ++i)
    if (c.recipe.objective[i].projector_learning_rate && c.recipe.optimizer.learning_rate == 0)
      c.refuse(term_path(i) + ".projector_learning_rate", "an optimizer.learning_rate above 0, whose schedule it follows",
               "optimizer.learning_rate 0", "Set optimizer.learning_rate, and freeze what shall not move with student.freeze.");
}

void betas_are_two(const Checked& c) {
  const size_t count = c.recipe.optimizer.betas.size();
  if (c.is_good("optimizer.betas") && count != 2)
    c.refuse("optimizer.betas", "two numbers", std::to_string(count), "For example `[0.9, 0.999]`.");
}

void frozen_parts_exist(const Checked& c) {
  for (size_t i = 0; i < c.recipe.student.freeze.size(); ++i) {
    const std::string& part = c.recipe.student.freeze[i];
    const std::string path = "student.freeze." + std::to_string(i);
    if (part == "embeddings" || part == "head" || part == "norms" || !c.is_good(path)) continue;
    const std::string_view prefix = "layers.";
    const bool has_number = part.size() > prefix.size() && part.size() < prefix.size() + 6 && part.rfind(prefix, 0) == 0 &&
                            part.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
    if (has_number) continue;
    const std::string near = nearest_key(part, {"embeddings", "head", "norms", "layers.0"});
    c.refuse(path, "embeddings, head, norms or layers.N", "`" + shortened(part) + "`",
             near.empty() ? "For example `freeze: [embeddings, layers.0]`." : "Did you mean `" + near + "`?");
  }
}

void device_is_known(const Checked& c) {
  const std::string& device = c.recipe.train.device;
  if (device == "auto" || device == "cpu" || device == "cuda" || !c.is_good("train.device")) return;
  const std::string_view prefix = "cuda:";
  const bool has_number = device.size() > prefix.size() && device.size() < prefix.size() + 4 && device.rfind(prefix, 0) == 0 &&
                          device.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
  if (has_number) return;
  const std::string near = device == "gpu" ? "cuda" : nearest_key(device, {"auto", "cpu", "cuda", "cuda:0"});
  c.refuse("train.device", "auto, cpu, cuda or cuda:N", "`" + shortened(device) + "`",
           near.empty() ? "For example `device: auto`." : "Did you mean `" + near + "`?");
}

void float64_is_for_the_cpu(const Checked& c) {
  const bool on_gpu = c.recipe.train.device.rfind("cuda", 0) == 0;
  if (c.recipe.train.precision == Precision::float64 && on_gpu)
    c.refuse("train.precision", "a precision for a GPU: auto, float32, float16 or bfloat16", "`float64`",
             "Set `train.device: cpu`, or another precision.");
}

void float16_on_cpu_is_slow(const Checked& c) {
  if (c.recipe.train.precision == Precision::float16 && c.recipe.train.device == "cpu")
    c.warn("train.precision", "float32 on a CPU", "`float16`", "It runs with loss scaling, slower than float32; use `auto`.");
}

std::string normal_path(const std::string& path) {
  return (std::filesystem::path(path) / "").lexically_normal().string();  // with one slash at the end
}

void output_is_a_folder_of_its_own(const Checked& c) {
  if (c.recipe.output.empty() || !c.is_good("output")) return;
  const std::string output = normal_path(c.recipe.output);
  const std::string teacher = c.recipe.teacher ? c.recipe.teacher->path : "";
  for (const std::string& model : {c.recipe.student.path, teacher})
    if (!model.empty() && normal_path(model) == output)
      c.refuse("output", "a folder of its own", "the folder of a model", "For example `output: runs/first`.");
}

void text_has_a_tokenizer(const Checked& c) {
  const StudentRecipe& student = c.recipe.student;
  if (!student.init || !student.init->tokenizer.empty() || c.recipe.teacher || !c.is_good("student.init")) return;
  for (const SourceRecipe& source : c.recipe.data.train)
    if (source.path.size() > 4 && source.path.ends_with(".txt"))
      return c.refuse_key("student.init", "`tokenizer:`, because data.train is text and there is no teacher to take it from",
                          "no tokenizer", "Add the folder that holds tokenizer.json: `init: {tokenizer: models/words, ...}`.");
}

void teacher_is_read(const Checked& c) {
  const auto& terms = c.recipe.objective;
  if (c.recipe.teacher && !c.recipe.student.shrink && !terms.empty() && std::none_of(terms.begin(), terms.end(), needs_teacher))
    c.warn("teacher", "a term that reads the teacher", "none", "Add `{function: kl}` to `objective`, or remove `teacher`.");
}

void teacher_differs_from_student(const Checked& c) {
  const std::string& student = c.recipe.student.path;
  if (c.recipe.teacher && !student.empty() && normal_path(student) == normal_path(c.recipe.teacher->path))
    c.warn("student.path", "another folder than `teacher.path`", "the same folder",
           "A student that equals its teacher starts at KL 0.");
}

void evaluation_has_data(const Checked& c) {
  if (c.recipe.train.evaluate_every && c.recipe.data.eval.empty() && c.is_good("data.eval"))
    c.warn("train.evaluate_every", "`data.eval`", "no evaluation data", "Add `data.eval`, or remove `evaluate_every`.");
}

void evaluation_data_is_held_out(const Checked& c) {
  for (size_t i = 0; i < c.recipe.data.eval.size(); ++i)
    for (const SourceRecipe& source : c.recipe.data.train)
      if (!source.path.empty() && source.path == c.recipe.data.eval[i].path)
        c.warn("data.eval." + std::to_string(i) + ".path", "data that is not trained on", "`" + source.path + "`",
               "Hold some rows out in a file of their own.");
}

void warmup_ends_before_the_run(const Checked& c) {
  const auto& warmup = c.recipe.schedule.warmup;
  const Duration& length = c.recipe.train.length;
  if (!warmup) return;
  const bool same_unit = warmup->unit == length.unit && length.amount > 0 && warmup->amount >= length.amount;
  if (same_unit || (warmup->unit == Unit::percent && warmup->amount == 100))
    c.warn("schedule.warmup", "a warm-up shorter than train.length", to_string(*warmup),
           "The learning rate only rises; use `3%`.");
}

void learning_rate_moves_something(const Checked& c) {
  const double rate = c.recipe.optimizer.learning_rate;
  if (rate == 0) c.warn("optimizer.learning_rate", "a learning rate above 0", "0", "Nothing is learned; use for example 1e-4.");
  if (rate >= 0.1)
    c.warn("optimizer.learning_rate", "a learning rate for adamw, below 0.1", number_text(rate),
           "Check the exponent; 1e-4 is usual.");
}

void floor_has_a_decay(const Checked& c) {
  if (c.recipe.schedule.kind == ScheduleKind::constant && c.is_given("schedule.floor") && c.recipe.schedule.floor != 0.1)
    c.warn("schedule.floor", "a schedule that decays", "`kind: constant`", "Remove `floor`; it has no effect.");
}

bool teacher_is_a_script(const Checked& c) { return c.recipe.teacher && c.recipe.teacher->trust == Trust::torchscript; }
bool student_is_a_script(const Checked& c) { return c.recipe.student.trust == Trust::torchscript; }

void scripts_read_unpacked_rows(const Checked& c) {
  if (!c.recipe.data.packing || (!teacher_is_a_script(c) && !student_is_a_script(c))) return;
  c.refuse("data.packing", "`packing: false`, because a TorchScript model cannot keep documents of one row apart", "true",
           "Set `data: {packing: false}`.");
}

// What we do inside our own models and cannot do inside a program.
void a_script_student_is_trained_as_it_is(const Checked& c) {
  if (!student_is_a_script(c)) return;
  const StudentRecipe& student = c.recipe.student;
  const std::string whose = " for a TorchScript student";
  if (student.path.empty() && c.is_good("student"))
    c.refuse_key("student.trust", "`student.path` with a TorchScript file", "none", "Remove `trust`, or name the file.");
  if (student.dropout.from_config || student.dropout.rate > 0)
    c.refuse("student.dropout", "0" + whose, student.dropout.from_config ? "`config`" : number_text(student.dropout.rate),
             "Remove it: a script runs in evaluation mode.");
  if (!student.freeze.empty())
    c.refuse("student.freeze", "[]" + whose, "parts of it", "Remove it: the names of a script's parts are not known.");
  const GradientCheckpointing checkpointing = c.recipe.train.gradient_checkpointing;
  if (checkpointing == GradientCheckpointing::selective || checkpointing == GradientCheckpointing::full)
    c.refuse("train.gradient_checkpointing", "`none` or `auto`" + whose, "`" + std::string(enum_name(checkpointing)) + "`",
             "Remove it: a script keeps what its own backward pass needs.");
}

using Rule = void (*)(const Checked&);
constexpr Rule kRules[] = {
    student_has_one_origin,
    teacher_is_there_when_read,
    a_cut_student_has_a_teacher,
    a_cut_is_smaller_in_something,
    cut_layers_ascend,
    objective_has_terms,
    terms_read_their_options,
    task_has_what_is_asked,
    term_names_differ,
    attention_pairs_count_from_one,
    learned_mappings_mix_hidden_rows,
    relations_are_named_once,
    autoencoders_are_given_and_fit,
    projector_rates_have_a_schedule,
    betas_are_two,
    frozen_parts_exist,
    device_is_known,
    float64_is_for_the_cpu,
    float16_on_cpu_is_slow,
    output_is_a_folder_of_its_own,
    text_has_a_tokenizer,
    teacher_is_read,
    teacher_differs_from_student,
    evaluation_has_data,
    evaluation_data_is_held_out,
    warmup_ends_before_the_run,
    learning_rate_moves_something,
    floor_has_a_decay,
    scripts_read_unpacked_rows,
    a_script_student_is_trained_as_it_is,
};

}  // namespace

void validate_recipe(const Recipe& recipe, const GivenKeys& given, Report& report) {
  const Checked checked{recipe, given, report};
  for (const Rule rule : kRules) rule(checked);
}

}  // namespace distill
