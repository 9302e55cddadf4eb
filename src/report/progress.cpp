#include "distill/report/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>

#include "distill/core/log.h"
#include "distill/core/units.h"
#include "distill/report/figures.h"

namespace distill {
namespace {

constexpr double kPlainLineSeconds = 10;

double now_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string cut_to_terminal(std::string text) {
  winsize size{};
  const size_t width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 10 ? size.ws_col - 1 : 100;
  if (text.size() > width) text.resize(width);
  return text;
}

}  // namespace

Progress::Progress(ProgressStyle style, int64_t every_updates)
    : rewrite_(style == ProgressStyle::automatic && isatty(STDERR_FILENO)),
      silent_(style == ProgressStyle::none),
      every_updates_(every_updates) {}

Progress::~Progress() { log::set_status_line(""); }

void Progress::on_start(const StartEvent& event) {
  if (silent_) return;
  log::info("device   " + event.device + ", " + event.precision);
  if (!event.teacher.empty()) log::info("teacher  " + event.teacher);
  log::info("student  " + event.student + ", " + count_text(static_cast<double>(event.trained_parameters)) + " trained");
  const double epochs = static_cast<double>(event.total_steps) / static_cast<double>(event.updates_per_epoch);
  log::info("length   " + std::to_string(event.total_steps) + " updates, " + std::to_string(event.updates_per_epoch) +
            " per epoch; about " + count_text(epochs * static_cast<double>(event.tokens_per_epoch)) + " tokens and " +
            count_text(epochs * static_cast<double>(event.padding_per_epoch)) +
            " of padding; the time is known after the first update");
  log::info("output   " + event.output);
}

std::string Progress::line(const StepEvent& event) const {
  std::string text =
      "step " + std::to_string(event.step) + "/" + std::to_string(event.total_steps) + "  loss " + fixed(event.loss, 4);
  if (event.terms.size() > 1)
    for (const auto& [name, value] : event.terms) text += "  " + name + " " + fixed(value, 4);
  text += "  " + count_text(event.tokens_per_second) + " tok/s  " +
          seconds_text(mean_seconds_ * static_cast<double>(event.total_steps - event.step)) + " left";
  return text;
}

void Progress::on_step(const StepEvent& event) {
  mean_seconds_ = mean_seconds_ == 0 ? event.seconds : 0.9 * mean_seconds_ + 0.1 * event.seconds;
  last_ = event;
  if (silent_) return;
  const bool paced = event.step % every_updates_ == 0 || event.step == event.total_steps || event.step == 1;
  if (!paced) return;
  if (rewrite_) return log::set_status_line(cut_to_terminal(line(event)));
  const double now = now_seconds();
  if (now - last_line_ < kPlainLineSeconds && event.step != event.total_steps) return;
  last_line_ = now;
  log::info(line(event));
}

void Progress::on_eval(const EvalEvent& event) {
  if (silent_) return;
  log::info("eval at step " + std::to_string(event.step) + ": " + figures_text(event));
}

void Progress::on_save(const SaveEvent& event) {
  if (!silent_) log::info("saved " + event.path + " in " + seconds_text(event.seconds));
}

void Progress::on_skip(const SkipEvent& event) {
  log::warn("update " + std::to_string(event.step) + " skipped: " + event.reason);
}

void Progress::on_resume(const ResumeEvent& event) {
  if (!silent_) log::info("going on from " + event.path);
}

void Progress::on_finish(const FinishEvent&) { log::set_status_line(""); }

}  // namespace distill
