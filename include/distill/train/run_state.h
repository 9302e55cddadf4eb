// What can change the next loss, besides weights and moments: saved with every checkpoint, restored exactly.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "distill/kernels/gemm.h"
#include "distill/optim/loss_scaler.h"

namespace distill {

struct RunState {
  int64_t update = 0;       // updates done = position in the data
  int64_t kept_tokens = 0;  // totals since the start, for the log
  int64_t input_tokens = 0;
  double seconds = 0;  // of training, over all sessions
  LossScaler::State scaler;
  int64_t consecutive_skips = 0;
  int64_t skipped_updates = 0;
  gemm::Maker products = gemm::Maker::undecided;  // who makes large ones: another one rounds otherwise
  // Recorded to notice that a resume cannot be exact.
  int64_t num_threads = 0;
  std::string data_fingerprint;  // of the training rows; another one is refused
};

void write_run_state(const std::filesystem::path& file, const RunState& state);
RunState read_run_state(const std::filesystem::path& file);

}  // namespace distill
