#include "distill/report/log_file.h"

#include <cmath>
#include <cstdio>

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/json_reader.h"
#include "distill/core/log.h"
#include "distill/report/figures.h"

namespace distill {
namespace {

// 17 significant digits read back to the same double in every language.
std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}
std::string quoted(const std::string& text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string object(const std::vector<std::pair<std::string, double>>& members) {
  std::string text;
  for (const auto& [name, value] : members) text += (text.empty() ? "" : ",") + quoted(name) + ":" + number(value);
  return "{" + text + "}";
}

// One JSON object, member by member; nlohmann would choose the number of digits itself.
class Line {
 public:
  explicit Line(const char* event) : text_("{\"event\":" + quoted(event)) {}
  Line& add(const char* key, const std::string& json) {
    text_ += "," + quoted(key) + ":" + json;
    return *this;
  }
  Line& add(const char* key, double value) { return add(key, number(value)); }
  Line& add(const char* key, int64_t value) { return add(key, std::to_string(value)); }
  Line& add(const char* key, bool value) { return add(key, std::string(value ? "true" : "false")); }
  std::string end() const { return text_ + "}\n"; }

 private:
  std::string text_;
};

void cut_unfinished_line(const fs::path& file) {
  if (!fs::exists(file)) return;
  const std::string contents = read_file(file);
  const size_t end = contents.rfind('\n');
  const size_t whole = end == std::string::npos ? 0 : end + 1;
  if (whole != contents.size()) fs::resize_file(file, whole);
}

}  // namespace

struct LogFile::Parts {
  Parts(const fs::path& file, int64_t flush_lines)
      : out((cut_unfinished_line(file), file), /*append=*/true), flush_every(flush_lines) {}

  void write(const Line& line, bool now) {
    buffer += line.end();
    ++lines;
    if (now || lines >= flush_every) flush();
  }
  void flush() {
    out.write(buffer);
    buffer.clear();
    lines = 0;
  }

  WriteFile out;
  std::string buffer;
  int64_t lines = 0;
  int64_t flush_every;
};

LogFile::LogFile(const fs::path& file, int64_t flush_every) : parts_(std::make_unique<Parts>(file, flush_every)) {}
LogFile::~LogFile() {
  try {
    parts_->flush();  // an error may be on its way out: what was logged before it must not be lost
  } catch (const Error& error) {
    log::error(error.what());
  }
}

void LogFile::on_start(const StartEvent& event) {
  parts_->write(Line("start")
                    .add("step", event.step)
                    .add("total_steps", event.total_steps)
                    .add("device", quoted(event.device))
                    .add("precision", quoted(event.precision))
                    .add("teacher", quoted(event.teacher))
                    .add("student", quoted(event.student))
                    .add("student_parameters", event.student_parameters)
                    .add("trained_parameters", event.trained_parameters)
                    .add("updates_per_epoch", event.updates_per_epoch)
                    .add("tokens_per_epoch", event.tokens_per_epoch)
                    .add("padding_per_epoch", event.padding_per_epoch),
                true);
}

void LogFile::on_step(const StepEvent& event) {
  Line line("step");
  line.add("step", event.step).add("loss", event.loss).add("terms", object(event.terms)).add("weighted", object(event.weighted));
  if (!event.figures.empty()) line.add("figures", object(event.figures));
  if (!event.gradient_shares.empty()) line.add("gradient_share", object(event.gradient_shares));
  line.add("learning_rate", event.learning_rate)
      .add("grad_norm", event.grad_norm)
      .add("tokens", event.tokens)
      .add("input_tokens", event.input_tokens);
  if (event.paired_tokens) line.add("paired_tokens", *event.paired_tokens);
  parts_->write(line.add("tokens_per_second", event.tokens_per_second)
                    .add("seconds", event.seconds)
                    .add("loss_scale", event.loss_scale)
                    .add("skipped", event.skipped),
                false);
}

void LogFile::on_eval(const EvalEvent& event) {
  Line line("eval");
  line.add("step", event.step);
  for (const Figure& figure : figures_of(event)) line.add(figure.key, figure.value);
  parts_->write(line.add("tokens", event.tokens).add("seconds", event.seconds), true);
}

void LogFile::on_save(const SaveEvent& event) {
  parts_->write(Line("save").add("step", event.step).add("path", quoted(event.path)).add("seconds", event.seconds), true);
}

void LogFile::on_skip(const SkipEvent& event) {
  parts_->write(Line("skip").add("step", event.step).add("loss_scale", event.loss_scale).add("reason", quoted(event.reason)),
                true);
}

void LogFile::on_resume(const ResumeEvent& event) {
  parts_->write(Line("resume").add("step", event.step).add("path", quoted(event.path)), true);
}

void LogFile::on_finish(const FinishEvent& event) {
  parts_->write(Line("finish").add("step", event.step).add("finished", event.finished).add("seconds", event.seconds), true);
}

void LogFile::flush() { parts_->flush(); }

}  // namespace distill
