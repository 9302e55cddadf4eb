// The terminal while a run goes on, on stderr: one status line that is rewritten on a terminal, elsewhere a plain line at most
// every 10 seconds.
#pragma once

#include <string>

#include "distill/train/events.h"

namespace distill {

enum class ProgressStyle { automatic, plain, none };

class Progress : public Observer {
 public:
  Progress(ProgressStyle style, int64_t every_updates);
  ~Progress() override;

  void on_start(const StartEvent& event) override;
  void on_step(const StepEvent& event) override;
  void on_eval(const EvalEvent& event) override;
  void on_save(const SaveEvent& event) override;
  void on_skip(const SkipEvent& event) override;
  void on_resume(const ResumeEvent& event) override;
  void on_finish(const FinishEvent& event) override;

 private:
  std::string line(const StepEvent& event) const;

  bool rewrite_ = false;  // a terminal
  bool silent_ = false;
  int64_t every_updates_;
  double mean_seconds_ = 0;  // per update, exponential mean
  double last_line_ = -1e9;  // clock of the last plain line
  StepEvent last_;
};

}  // namespace distill
