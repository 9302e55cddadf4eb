// What teacher and student score before the first update. Measured once and kept, so that a resumed run can still compare.
#include "distill/cli/run_parts.h"
#include "distill/cli/summary.h"
#include "distill/core/file.h"

namespace distill {
namespace {

Baseline read_baseline(const fs::path& file) {
  const std::string where = file.string();
  const Json json = read_json_file(where);
  Baseline baseline;
  if (json.contains("teacher")) baseline.teacher = eval_from_json(json["teacher"], where);
  if (json.contains("student")) baseline.student = eval_from_json(json["student"], where);
  return baseline;
}

}  // namespace

Baseline read_or_measure_baseline(const RunFolder& run, bool resumed, const Transformer& student, Teacher* teacher,
                                  const Rows* eval_rows, const EvaluateOptions& options) {
  const fs::path file = run.file("baseline.json");
  if (fs::exists(file)) return read_baseline(file);
  Baseline baseline;
  if (!eval_rows || resumed) return baseline;  // resumed: the student has changed already
  Json json = Json::object();
  if (teacher) {
    baseline.teacher = evaluate(logits_of(*teacher), nullptr, *eval_rows, options);
    json["teacher"] = eval_json(*baseline.teacher);
  }
  baseline.student = evaluate(logits_of(student), teacher, *eval_rows, options);
  json["student"] = eval_json(*baseline.student);
  write_file_atomically(file, json.dump(2) + "\n");
  return baseline;
}

}  // namespace distill
