#include "distill/optim/loss_scaler.h"

#include <ATen/ops/_amp_update_scale.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/zeros.h>

namespace distill {

LossScaler::LossScaler(const Options& options, at::Device device) : options_(options), device_(device) {
  if (!options.enabled) return;
  scale_ = at::full({}, options.initial_scale, at::TensorOptions().dtype(at::kFloat).device(device));
  growth_tracker_ = at::zeros({}, at::TensorOptions().dtype(at::kInt).device(device));
}

at::Tensor LossScaler::inverse() const {
  // The scale is a power of two: its reciprocal is exact.
  return options_.enabled ? scale_.to(at::kDouble).reciprocal()
                          : at::ones({}, at::TensorOptions().dtype(at::kDouble).device(device_));
}

void LossScaler::update(const at::Tensor& found_inf) {
  if (options_.enabled)
    at::_amp_update_scale_(scale_, growth_tracker_, found_inf, options_.growth, options_.backoff, options_.growth_interval);
}

LossScaler::State LossScaler::state() const {
  if (!options_.enabled) return {};
  return {scale_.item<double>(), growth_tracker_.item<int64_t>()};
}

void LossScaler::restore(const State& state) {
  if (!options_.enabled || state.scale <= 0) return;
  scale_.fill_(state.scale);
  growth_tracker_.fill_(state.growth_tracker);
}

}  // namespace distill
