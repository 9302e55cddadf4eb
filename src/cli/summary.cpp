#include "distill/cli/summary.h"

#include <cmath>

#include "distill/core/file.h"
#include "distill/core/units.h"
#include "distill/report/figures.h"
#include "distill/report/html.h"

namespace distill {
namespace {

Json finite_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::string eval_line(const std::optional<EvalEvent>& event) {
  return event ? figures_text(*event) : "not measured (name held-out rows in data.eval)";
}

std::string teacher_line(const TrainResult& result, const Recipe& recipe) {
  if (!recipe.teacher) return "none";
  if (result.teacher || !result.student_before) return eval_line(result.teacher);
  return result.student_before->cosine ? "the measure of the others" : "not measured (its tokenizer is not the student's)";
}

// A script runs only where a recipe trusts it, never by its path alone.
bool is_script(const Recipe& recipe) { return recipe.student.trust == Trust::torchscript; }

std::string next_command(const TrainResult& result, const Recipe& recipe, const std::string& recipe_file) {
  if (!result.finished) return "distill --config " + recipe_file + "   (the same command goes on)";
  if (is_script(recipe)) return "distill eval " + recipe_file;
  return "distill eval --model " + result.student.string() + " --data YOUR.jsonl";
}

std::string memory_line(const TrainResult& result) {
  std::string text = bytes_text(result.peak_host_bytes) + " of host memory";
  if (result.peak_device_bytes > 0) text += ", " + bytes_text(result.peak_device_bytes) + " of tensors on the GPU";
  return text;
}

// The class of transformers that reads the student: the architecture that its config.json names.
std::string model_class(const TrainResult& result) {
  const std::string where = (result.student / "config.json").string();
  const Json config = read_json_file(where);
  const auto names = config.find("architectures");
  const bool named = names != config.end() && names->is_array() && !names->empty() && names->front().is_string();
  return named ? names->front().get<std::string>() : "AutoModel";
}

std::string how_to_load(const Recipe& recipe, const TrainResult& result) {
  if (is_script(recipe)) return "Load it with `torch.jit.load(\"student/model.pt\")`.";
  return "Load it from `student/` with `transformers." + model_class(result) + ".from_pretrained`.";
}

std::string model_card(const Recipe& recipe, const TrainResult& result) {
  std::string text = "# A distilled student\n\n";
  text += recipe.teacher ? "Teacher: `" + recipe.teacher->path + "`  \n" : "Trained without a teacher.  \n";
  text += "Student: `" + (recipe.student.path.empty() ? "fresh weights" : recipe.student.path) + "`  \n";
  text += "Updates: " + std::to_string(result.step) + " of " + std::to_string(result.total_steps) + "\n\n";
  text += "| model | held-out figures |\n| --- | --- |\n";
  text += "| teacher | " + teacher_line(result, recipe) + " |\n";
  text += "| student before | " + eval_line(result.student_before) + " |\n";
  text += "| student after | " + eval_line(result.student_after) + " |\n\n";
  text += how_to_load(recipe, result) +
          " The full recipe is\n"
          "`recipe.resolved.yaml`; every update is a line of `log.jsonl`.\n";
  return text;
}

}  // namespace

Json eval_json(const EvalEvent& event) {
  Json json = Json::object();
  for (const Figure& figure : figures_of(event)) json[figure.key] = finite_or_null(figure.value);
  json["tokens"] = event.tokens;
  return json;
}

EvalEvent eval_from_json(const Json& json, const std::string& where) {
  EvalEvent event;
  const auto read = [&](const char* key, std::optional<double>& figure) {
    if (json.contains(key)) figure = json_double_or(json, key, std::nan(""), where);
  };
  read("cross_entropy", event.cross_entropy);
  read("perplexity", event.perplexity);
  read("accuracy", event.accuracy);
  read("kl", event.kl);
  read("top1_agreement", event.top1_agreement);
  read("cosine", event.cosine);
  event.tokens = json_int(json, "tokens", where);
  return event;
}

Json TrainResult::json() const {
  Json json = {{"finished", finished},
               {"step", step},
               {"total_steps", total_steps},
               {"seconds", seconds},
               {"tokens_per_second", tokens_per_second},
               {"peak_host_bytes", peak_host_bytes},
               {"peak_device_bytes", peak_device_bytes},
               {"skipped_updates", skipped_updates},
               {"student_folder", student.string()}};
  if (teacher) json["teacher"] = eval_json(*teacher);
  if (student_before) json["student_before"] = eval_json(*student_before);
  if (student_after) json["student_after"] = eval_json(*student_after);
  return json;
}

TrainResult TrainResult::from_json(const Json& json, const fs::path& output) {
  const std::string where = (output / "summary.json").string();
  TrainResult result;
  result.finished = json_bool_or(json, "finished", false, where);
  result.step = json_int(json, "step", where);
  result.total_steps = json_int(json, "total_steps", where);
  result.seconds = json_double_or(json, "seconds", 0, where);
  result.tokens_per_second = json_double_or(json, "tokens_per_second", 0, where);
  result.peak_host_bytes = static_cast<uint64_t>(json_int(json, "peak_host_bytes", where));
  result.peak_device_bytes = static_cast<uint64_t>(json_int(json, "peak_device_bytes", where));
  result.skipped_updates = json_int(json, "skipped_updates", where);
  result.output = output;
  result.student = output / "student";
  if (json.contains("teacher")) result.teacher = eval_from_json(json["teacher"], where);
  if (json.contains("student_before")) result.student_before = eval_from_json(json["student_before"], where);
  if (json.contains("student_after")) result.student_after = eval_from_json(json["student_after"], where);
  return result;
}

std::string closing_summary(const TrainResult& result, const Recipe& recipe, const std::string& recipe_file) {
  std::string text;
  text += "teacher         " + teacher_line(result, recipe) + "\n";
  text += "student before  " + eval_line(result.student_before) + "\n";
  text += "student after   " + eval_line(result.student_after) + "\n";
  text += "time            " + seconds_text(result.seconds) + " for " + std::to_string(result.step) + " of " +
          std::to_string(result.total_steps) + " updates\n";
  text += "speed           " + count_text(result.tokens_per_second) + " tokens/s\n";
  text += "peak memory     " + memory_line(result) + "\n";
  text += "files           " + result.student.string() + (is_script(recipe) ? " (TorchScript" : " (Hugging Face") + " folder), " +
          (result.output / "log.jsonl").string() + "\n";
  text += "next            " + next_command(result, recipe, recipe_file) + "\n";
  return text;
}

void write_summary(const RunFolder& run, const LoadedRecipe& loaded, const TrainResult& result) {
  write_file_atomically(run.file("README.md"), model_card(loaded.recipe, result));
  write_html_report(run.file("log.jsonl"), run.file("report.html"), run.path().string(),
                    closing_summary(result, loaded.recipe, "recipe.yaml"));
  write_file_atomically(run.file("summary.json"), result.json().dump(2) + "\n");  // last: it says that the run is complete
}

}  // namespace distill
