// What a run tells its observers. Observers hear, they never steer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace distill {

struct StartEvent {
  int64_t step = 0;  // updates already done: 0, or the resume point
  int64_t total_steps = 0;
  std::string device;            // "cpu (2 threads)", "cuda:0 NVIDIA T4"
  std::string precision;         // "float16 with loss scaling"
  std::string teacher, student;  // "models/teacher, 124.4 M parameters, float32"
  int64_t student_parameters = 0, trained_parameters = 0, teacher_parameters = 0;
  int64_t tokens_per_epoch = 0;  // input tokens
  int64_t updates_per_epoch = 0;
  int64_t padding_per_epoch = 0;  // tokens
  std::string output;
};

// One optimizer update. All figures belong to this update alone.
struct StepEvent {
  int64_t step = 0;  // from 1
  int64_t total_steps = 0;
  double loss = 0;                                      // sum of weight * term
  std::vector<std::pair<std::string, double>> terms;    // raw, per kept token; those of weight 0 are left out
  std::vector<std::pair<std::string, double>> figures;  // beside the terms, not minimised
  std::vector<double> weights;  // of all terms in this update; those of weight 0 are left out of the others
  std::vector<std::pair<std::string, double>> weighted;         // weight * term
  std::vector<std::pair<std::string, double>> gradient_shares;  // of the terms; they add up to 1; empty when not asked for
  double learning_rate = 0;
  double grad_norm = 0;                  // before clipping, after unscaling
  int64_t tokens = 0;                    // kept; rows when a row is one sample
  int64_t input_tokens = 0;              // that are not padding
  std::optional<int64_t> paired_tokens;  // kept ones that uld compares, under two tokenizers
  double tokens_per_second = 0;          // input tokens over wall time
  double seconds = 0;
  double loss_scale = 1;
  bool skipped = false;
};

struct EvalEvent {
  int64_t step = 0;
  std::optional<double> cross_entropy;       // of labels
  std::optional<double> perplexity;          // language models
  std::optional<double> accuracy;            // classifiers
  std::optional<double> kl, top1_agreement;  // with a teacher
  std::optional<double> cosine;              // embeddings, with a teacher
  int64_t tokens = 0;                        // kept; rows when a row is one sample
  double seconds = 0;
};

struct SaveEvent {
  int64_t step = 0;
  std::string path;
  double seconds = 0;
};

struct SkipEvent {
  int64_t step = 0;
  double loss_scale = 1;
  std::string reason;
};

struct ResumeEvent {
  int64_t step = 0;
  std::string path;
};

struct FinishEvent {
  int64_t step = 0;
  bool finished = false;  // false: stopped early, the same command continues
  double seconds = 0;
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_start(const StartEvent&) {}
  virtual void on_step(const StepEvent&) {}
  virtual void on_eval(const EvalEvent&) {}
  virtual void on_save(const SaveEvent&) {}
  virtual void on_skip(const SkipEvent&) {}
  virtual void on_resume(const ResumeEvent&) {}
  virtual void on_finish(const FinishEvent&) {}
  // What was heard so far must be on disk and on the terminal now.
  virtual void flush() {}
};

}  // namespace distill
