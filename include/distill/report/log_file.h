// log.jsonl: append-only, one line for every event, 17 significant digits, null for what is not finite.
#pragma once

#include <filesystem>
#include <memory>

#include "distill/train/events.h"

namespace distill {

class LogFile : public Observer {
 public:
  // Opens for appending. A last line that a killed process left unfinished is cut off.
  explicit LogFile(const std::filesystem::path& file, int64_t flush_every);
  ~LogFile() override;

  void on_start(const StartEvent& event) override;
  void on_step(const StepEvent& event) override;
  void on_eval(const EvalEvent& event) override;
  void on_save(const SaveEvent& event) override;
  void on_skip(const SkipEvent& event) override;
  void on_resume(const ResumeEvent& event) override;
  void on_finish(const FinishEvent& event) override;
  void flush() override;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace distill
