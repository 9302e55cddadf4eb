// Dynamic loss scaling for float16: the loss is multiplied by a scale, gradients are divided by it once per update, an
// overflow halves it and 2,000 clean updates in a row double it. Everything stays on the device: nothing waits.
// Source: Micikevicius et al., Mixed Precision Training, 2018.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <vector>

namespace distill {

class LossScaler {
 public:
  struct Options {
    bool enabled = false;
    double initial_scale = 65536;
    double growth = 2, backoff = 0.5;
    int64_t growth_interval = 2000;
  };
  struct State {
    double scale = 0;  // 0 = no loss scaling
    int64_t growth_tracker = 0;
  };

  LossScaler(const Options& options, at::Device device);
  // float32 scalar; undefined when scaling is off.
  const at::Tensor& scale() const { return scale_; }
  // What scaled gradients are multiplied with: 1 / scale, or 1; float64 scalar on the device.
  at::Tensor inverse() const;
  // `found_inf`: float32 scalar, 1 when the update must not happen. Moves the scale.
  void update(const at::Tensor& found_inf);

  State state() const;  // waits for the device
  // A state without a scale (a run that began in another precision) leaves the initial one.
  void restore(const State& state);

 private:
  Options options_;
  at::Device device_;
  at::Tensor scale_, growth_tracker_;
};

}  // namespace distill
