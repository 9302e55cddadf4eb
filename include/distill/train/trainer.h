// The loop: step until done; log, evaluate and save on the way; stop cleanly on a signal or a limit.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "distill/optim/schedule.h"
#include "distill/train/events.h"
#include "distill/train/run_folder.h"
#include "distill/train/run_state.h"
#include "distill/train/step.h"

namespace distill {

struct TrainerOptions {
  int64_t total_updates = 1;              // N
  std::optional<int64_t> stop_at;         // --max-steps: stop, resumable, at this update
  std::optional<double> max_seconds;      // --max-minutes
  std::optional<int64_t> evaluate_every;  // updates
  Duration save_every;                    // steps or seconds
  int64_t keep_checkpoints = 2;
  int64_t most_pending = 10;      // updates whose figures may still be on their way from the device
  bool allow_other_data = false;  // --allow-recipe-change: go on although the rows changed
  std::string data_fingerprint;   // a checkpoint of other data is refused
};

class Trainer {
 public:
  Trainer(StepParts parts, UpdateStream& stream, const Schedule& schedule, const TrainerOptions& options, const RunFolder& folder,
          std::vector<Observer*> observers, std::function<EvalEvent()> evaluate);

  // Takes up the newest valid checkpoint of the folder, if any. Returns true when there was one.
  // InputError when it belongs to other data or another model.
  bool resume();
  // Trains to the end or to a limit, saves at the end; true when all updates are done. A stop signal saves and throws Stopped.
  bool run();

  const RunState& state() const { return state_; }
  const std::optional<EvalEvent>& last_evaluation() const { return last_evaluation_; }

 private:
  struct Pending {
    StepEvent event;
    ReadBack values;  // on its way from the device
  };

  bool at_limit() const;
  bool step();  // false: a stop signal came
  void deliver_ready(size_t may_wait_for);
  void deliver_pending() { deliver_ready(pending_.size()); }
  void deliver(Pending& pending);
  void look_at_teacher(const Update& update);
  void watch_skips(const StepEvent& event, bool teacher_finite);
  [[noreturn]] void stop_for_bad_teacher(int64_t step);
  void evaluate_if_due(bool at_end);
  void save_if_due();
  void save();

  StepParts parts_;
  UpdateStream& stream_;
  Schedule schedule_;
  TrainerOptions options_;
  const RunFolder& folder_;
  std::vector<Observer*> observers_;
  std::function<EvalEvent()> evaluate_;  // empty: no evaluation data
  RunState state_;
  std::deque<Pending> pending_;
  double waiting_seconds_ = 0;  // wall time of the pending updates
  bool teacher_seen_ = false;
  double last_save_seconds_ = 0;  // wall clock since the session began, at the last save
  int64_t last_saved_update_ = -1;
  std::optional<EvalEvent> last_evaluation_;
};

}  // namespace distill
