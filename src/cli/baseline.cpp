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

Baseline read_or_measure_baseline(const RunFolder& run, bool resumed, const StudentModel& student, Teacher* teacher,
                                  const Rows* eval_rows, const EvaluateOptions& options) {
  const fs::path file = run.file("baseline.json");
  if (!eval_rows) return {};
  const std::string rows = std::to_string(fingerprint_of(*eval_rows));
  if (fs::exists(file) && json_string_or(read_json_file(file.string()), "rows", "", file.string()) == rows)
    return read_baseline(file);
  if (resumed) return {};  // the student has changed already
  Baseline baseline;
  Json json = {{"rows", rows}};
  if (teacher && options.task != Task::embedding) {  // embeddings are measured against the teacher's
    baseline.teacher = evaluate(answers_of(*teacher), nullptr, *eval_rows, options);
    json["teacher"] = eval_json(*baseline.teacher);
  }
  baseline.student = evaluate(answers_of(student), teacher, *eval_rows, options);
  json["student"] = eval_json(*baseline.student);
  write_file_atomically(file, json.dump(2) + "\n");
  return baseline;
}

}  // namespace distill
