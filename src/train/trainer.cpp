#include "distill/train/trainer.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <cmath>

#include "distill/checkpoint/safetensors.h"
#include "distill/core/error.h"
#include "distill/core/log.h"
#include "distill/core/stop.h"
#include "distill/core/units.h"
#include "distill/tensor/memory_error.h"
#include "distill/tensor/restore.h"

namespace distill {
namespace {

constexpr int64_t kMostConsecutiveSkips = 20;

double now_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Which way attention goes is known once it went.
void tell_attention_news() {
  for (const AttentionNews& news : take_attention_news()) {
    if (news.slow)
      log::warn("attention without a fused kernel, slow and memory-hungry: " + news.line);
    else
      log::info("attention " + news.line);
  }
}

constexpr const char* kNeedLessMemory =
    "Lower train.batch_size and raise train.gradient_accumulation_steps by as much: the updates stay the same. Or set "
    "train.gradient_checkpointing to full, or lower data.sequence_length. Then run it again: it goes on from its last "
    "checkpoint.";

// "update 12 (4 rows of 1024 tokens at once)"
std::string update_text(int64_t number, const Update& update) {
  const TokenBatch& batch = update.micro_batches.front();
  return "update " + std::to_string(number) + " (" + std::to_string(batch.ids_BT.size(0)) + " rows of " +
         std::to_string(batch.length()) + " tokens at once)";
}

// Adam's moments and the projectors: what training needs and the student does not.
std::vector<NamedTensor> training_tensors(const StepParts& parts) {
  std::vector<NamedTensor> tensors = parts.optimizer.state();
  for (const NamedTensor& projector : parts.objective.parameters()) tensors.push_back(projector);
  return tensors;
}

}  // namespace

Trainer::Trainer(StepParts parts, UpdateStream& stream, const Schedule& schedule, const TrainerOptions& options,
                 const RunFolder& folder, std::vector<Observer*> observers, std::function<EvalEvent()> evaluate)
    : parts_(std::move(parts)),
      stream_(stream),
      schedule_(schedule),
      options_(options),
      folder_(folder),
      observers_(std::move(observers)),
      evaluate_(std::move(evaluate)) {
  state_.num_threads = at::get_num_threads();
  state_.data_fingerprint = options.data_fingerprint;
}

namespace {

// The bits of an uninterrupted run come from the same products.
void keep_products(gemm::Maker maker) {
  if (gemm::go_on_with(maker)) return;
  log::warn("large products were made by " + std::string(enum_name(maker)) +
            " so far, and are made otherwise on this CPU: same data and updates, last bits may differ");
}

}  // namespace

bool Trainer::resume() {
  const std::optional<Checkpoint> checkpoint = folder_.newest_checkpoint();
  if (!checkpoint) return false;
  RunState saved = read_run_state(checkpoint->path / "state.json");
  if (saved.data_fingerprint != state_.data_fingerprint && options_.allow_other_data) {
    log::warn("the training rows are others than before: the data goes on at update " + std::to_string(saved.update + 1) +
              " of the new ones");
  } else if (saved.data_fingerprint != state_.data_fingerprint) {
    throw InputError({folder_.path().string(), "the training rows that this run began with", "other rows",
                      "Restore the data files and the tokenizer, pass --allow-recipe-change, or start anew with --fresh. A chat "
                      "template that writes the date (strftime_now) makes other rows every day.",
                      ""});
  }
  if (saved.num_threads != state_.num_threads) {
    log::warn("the checkpoint was made with " + std::to_string(saved.num_threads) + " threads, this run has " +
              std::to_string(state_.num_threads) + ": same data and updates, last bits may differ");
  }
  restore_tensors(parts_.student.parameters(), *open_safetensors(checkpoint->path / "model.safetensors"));
  const auto training = open_safetensors(checkpoint->path / "optimizer.safetensors");
  restore_tensors(training_tensors(parts_), *training);
  parts_.scaler.restore(saved.scaler);
  keep_products(saved.products);
  saved.num_threads = state_.num_threads;
  saved.data_fingerprint = state_.data_fingerprint;
  state_ = saved;
  stream_.seek(state_.update);
  last_saved_update_ = state_.update;
  for (Observer* observer : observers_) observer->on_resume({state_.update, checkpoint->path.string()});
  return true;
}

bool Trainer::run() {
  const double began = now_seconds();
  last_save_seconds_ = began;
  while (!at_limit()) {
    if (options_.max_seconds && now_seconds() - began >= *options_.max_seconds) break;
    try {
      if (!step()) check_stop();
      check_stop();
      evaluate_if_due(/*at_end=*/false);
    } catch (const Stopped&) {
      save();
      throw;
    }
    save_if_due();
  }
  deliver_pending();
  save();  // before the last evaluation: it may take long
  const bool finished = state_.update >= options_.total_updates;
  if (finished) evaluate_if_due(/*at_end=*/true);
  for (Observer* observer : observers_) observer->flush();
  return finished;
}

bool Trainer::at_limit() const {
  return state_.update >= options_.total_updates || (options_.stop_at && state_.update >= *options_.stop_at);
}

bool Trainer::step() {
  const double start = now_seconds();
  const Update update = stream_.next();
  const std::string during = update_text(state_.update + 1, update);
  naming_memory(during, kNeedLessMemory, [&] { look_at_teacher(update); });
  StepEvent event;
  event.learning_rate = learning_rate(schedule_, state_.update + 1);
  parts_.objective.start_update(state_.update + 1, options_.total_updates);
  event.weights = parts_.objective.weights();
  const std::optional<at::Tensor> values =
      naming_memory(during, kNeedLessMemory, [&] { return run_step(parts_, update, event.learning_rate); });
  if (!values) {
    stream_.seek(state_.update);
    return false;
  }
  event.step = ++state_.update;
  event.total_steps = options_.total_updates;
  event.tokens = update.kept_tokens;
  event.input_tokens = update.input_tokens;
  if (update.micro_batches.front().teacher) event.paired_tokens = update.paired_tokens;
  state_.kept_tokens += update.kept_tokens;
  state_.input_tokens += update.input_tokens;
  pending_.push_back({std::move(event), ReadBack(*values)});
  waiting_seconds_ += now_seconds() - start;
  // The device always has another update to do while an older one's figures are waited for.
  const auto most = static_cast<size_t>(std::max<int64_t>(2, options_.most_pending));
  deliver_ready(pending_.size() > most ? pending_.size() - most : 0);
  return true;
}

// Delivers the figures that are there, and waits for as many of the oldest as it is told to.
void Trainer::deliver_ready(size_t may_wait_for) {
  const double start = now_seconds();
  std::deque<Pending> ready;
  while (!pending_.empty() && (ready.size() < may_wait_for || pending_.front().values.ready())) {
    pending_.front().values.wait();
    ready.push_back(std::move(pending_.front()));
    pending_.pop_front();
  }
  if (ready.empty()) return;
  const double elapsed = waiting_seconds_ + now_seconds() - start;
  waiting_seconds_ = 0;
  state_.seconds += elapsed;
  for (Pending& one : ready) {
    one.event.seconds = elapsed / static_cast<double>(ready.size());
    deliver(one);
  }
  tell_attention_news();
}

// float16 ends at 65504. The stream between blocks is float32 and passes that; products inside a block cannot.
void Trainer::look_at_teacher(const Update& update) {
  constexpr double kLargestHalf = 65504;
  if (teacher_seen_ || !parts_.teacher || parts_.teacher->compute_dtype() != at::kHalf) return;
  teacher_seen_ = true;
  const ResidualPeak peak = teacher_residual_peak(parts_, update);
  if (!(peak.magnitude > kLargestHalf)) return;
  log::warn("the teacher's residual stream reaches " + number_text(peak.magnitude) + " after " +
            (peak.layer == 0 ? "the embeddings" : "block " + std::to_string(peak.layer)) +
            ", beyond float16's 65504: it is kept in float32. Set teacher.dtype to float32 if its outputs stop being finite");
}

void Trainer::deliver(Pending& pending) {
  const at::Tensor values = pending.values.wait();
  const double* figures = values.const_data_ptr<double>();
  StepEvent& event = pending.event;
  const std::vector<std::string>& names = parts_.objective.names();
  for (size_t i = 0; i < names.size(); ++i) {
    if (event.weights[i] == 0) continue;
    event.terms.emplace_back(names[i], figures[i]);
    event.weighted.emplace_back(names[i], event.weights[i] * figures[i]);
    event.loss += event.weighted.back().second;
  }
  figures += names.size();
  for (const std::string& name : parts_.objective.figure_names()) event.figures.emplace_back(name, *figures++);
  if (parts_.measures_shares(event.step)) {
    for (size_t i = 0; i < names.size(); ++i)
      if (event.weights[i] != 0) event.gradient_shares.emplace_back(names[i], figures[i]);
    figures += names.size();
  }
  event.grad_norm = figures[0];
  event.skipped = figures[1] != 0;
  const bool teacher_finite = figures[2] != 0;
  event.loss_scale = figures[3];
  event.tokens_per_second = event.seconds > 0 ? static_cast<double>(event.input_tokens) / event.seconds : 0;
  for (Observer* observer : observers_) observer->on_step(event);
  watch_skips(event, teacher_finite);
}

void Trainer::watch_skips(const StepEvent& event, bool teacher_finite) {
  if (!teacher_finite) stop_for_bad_teacher(event.step);
  state_.consecutive_skips = event.skipped ? state_.consecutive_skips + 1 : 0;
  if (!event.skipped) return;
  ++state_.skipped_updates;
  const char* reason =
      parts_.precision.loss_scaling ? "a gradient overflowed: the loss scale is halved" : "a gradient is not finite";
  for (Observer* observer : observers_) observer->on_skip({event.step, event.loss_scale, reason});
  if (state_.consecutive_skips < kMostConsecutiveSkips) return;
  for (Observer* observer : observers_) observer->flush();
  throw DivergedError({"update " + std::to_string(event.step), "finite gradients",
                       std::to_string(state_.consecutive_skips) + " updates in a row with infinities or NaN",
                       "Lower optimizer.learning_rate, or use precision float32 or bfloat16; the last checkpoint is intact.",
                       ""});
}

// The content of an update is a pure function of its number, so the bad one can be looked at again.
void Trainer::stop_for_bad_teacher(int64_t step) {
  stream_.seek(step - 1);
  const std::string layer = first_bad_teacher_layer(parts_, stream_.next());
  for (Observer* observer : observers_) observer->flush();
  throw DivergedError({"teacher", "finite outputs in update " + std::to_string(step),
                       layer.empty() ? "infinities or NaN" : "infinities or NaN from " + layer + " on",
                       "Set teacher.dtype to float32 or bfloat16.", ""});
}

void Trainer::evaluate_if_due(bool at_end) {
  if (!evaluate_ || (last_evaluation_ && last_evaluation_->step == state_.update)) return;
  const bool due = options_.evaluate_every && state_.update % *options_.evaluate_every == 0;
  if (!due && !at_end) return;
  deliver_pending();
  EvalEvent event = evaluate_();
  event.step = state_.update;
  last_evaluation_ = event;
  for (Observer* observer : observers_) observer->on_eval(event);
}

void Trainer::save_if_due() {
  const bool in_steps = options_.save_every.unit != Unit::seconds;
  const bool due = in_steps ? state_.update % std::max<int64_t>(1, static_cast<int64_t>(options_.save_every.amount)) == 0
                            : now_seconds() - last_save_seconds_ >= options_.save_every.amount;
  if (due && !at_limit()) save();  // at the limit run() saves
}

void Trainer::save() {
  deliver_pending();
  for (Observer* observer : observers_) observer->flush();  // the log must not lack lines that the checkpoint has
  if (last_saved_update_ == state_.update) return;
  const double start = now_seconds();
  state_.scaler = parts_.scaler.state();
  state_.products = gemm::maker();
  const Checkpoint checkpoint =
      folder_.save_checkpoint(state_.update, options_.keep_checkpoints, [&](const std::filesystem::path& folder) {
        write_safetensors(folder / "model.safetensors", parts_.student.parameters());
        write_safetensors(folder / "optimizer.safetensors", training_tensors(parts_));
        write_run_state(folder / "state.json", state_);
      });
  last_saved_update_ = state_.update;
  last_save_seconds_ = now_seconds();
  for (Observer* observer : observers_) observer->on_save({state_.update, checkpoint.path.string(), last_save_seconds_ - start});
}

}  // namespace distill
