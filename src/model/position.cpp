// Rotary frequencies in float32 with the operations of transformers, so that tables agree at large positions too.
// Scalings: LongRoPE https://arxiv.org/abs/2402.13753, linear https://kaiokendev.github.io/til, dynamic NTK, YaRN
// https://arxiv.org/abs/2309.00071, Llama 3.1.
#include "distill/model/position.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numbers>

#include "distill/core/error.h"
#include "distill/tensor/transfer.h"

namespace distill {
namespace {

constexpr double kTwoPi = 2 * std::numbers::pi;

// theta^(2i / size), i = 0 .. size/2 - 1.
at::Tensor powers(const at::Tensor& theta, int64_t size) {
  return at::pow(theta, at::arange(0, size, 2, at::kFloat).div_(static_cast<double>(size)));
}
at::Tensor powers(double theta, int64_t size) {
  return at::pow(theta, at::arange(0, size, 2, at::kFloat).div_(static_cast<double>(size)));
}

at::Tensor dynamic_frequencies(const RopeSpec& rope, int64_t max_positions, int64_t length) {
  // transformers computes the stretched base in float32 once the length comes from the positions.
  const at::Tensor longest = at::scalar_tensor(std::max(length, max_positions), at::kLong);
  const double size = static_cast<double>(rope.rotary_size);
  const at::Tensor stretch =
      (rope.factor * longest / static_cast<double>(max_positions) - (rope.factor - 1)).pow(size / (size - 2));
  return 1.0 / powers(rope.theta * stretch, rope.rotary_size);
}

// The channel that turns `rotations` times over the original context.
double correction_channel(const RopeSpec& rope, double rotations) {
  return static_cast<double>(rope.rotary_size) *
         std::log(static_cast<double>(rope.original_max_positions) / (rotations * kTwoPi)) / (2 * std::log(rope.theta));
}

at::Tensor yarn_frequencies(const RopeSpec& rope) {
  double low = correction_channel(rope, rope.beta_fast), high = correction_channel(rope, rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(rope.rotary_size - 1));
  if (low == high) high += 0.001;
  const at::Tensor channels = at::arange(rope.rotary_size / 2, at::kFloat);
  const at::Tensor extrapolated_share = 1 - ((channels - low) / (high - low)).clamp(0, 1);
  const at::Tensor steps = powers(rope.theta, rope.rotary_size);
  return 1.0 / (rope.factor * steps) * (1 - extrapolated_share) + 1.0 / steps * extrapolated_share;
}

at::Tensor llama3_frequencies(const RopeSpec& rope) {
  const at::Tensor plain = 1.0 / powers(rope.theta, rope.rotary_size);
  const double context = static_cast<double>(rope.original_max_positions);
  const double longest = context / rope.low_freq_factor, shortest = context / rope.high_freq_factor;
  const at::Tensor wavelength = kTwoPi / plain;
  const at::Tensor slowed = at::where(wavelength > longest, plain / rope.factor, plain);
  const at::Tensor smooth = (context / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor between = (1 - smooth) * slowed / rope.factor + smooth * slowed;
  return at::where((wavelength >= shortest).logical_and(wavelength <= longest), between, slowed);
}

at::Tensor long_frequencies(const RopeSpec& rope, const std::vector<double>& factors) {
  const at::Tensor stretch = at::tensor(factors, at::kDouble).to(at::kFloat);
  return 1.0 / (stretch * powers(rope.theta, rope.rotary_size));
}

double yarn_mscale(double factor, double mscale) { return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

double longrope_factor(const RopeSpec& rope) {
  return rope.factor <= 1 ? 1 : std::sqrt(1 + std::log(rope.factor) / std::log(static_cast<double>(rope.original_max_positions)));
}

double attention_factor_of(const RopeSpec& rope) {
  if (rope.scaling != RopeScaling::yarn && rope.scaling != RopeScaling::longrope) return 1;
  if (rope.attention_factor) return *rope.attention_factor;
  if (rope.scaling == RopeScaling::longrope) return longrope_factor(rope);
  if (rope.mscale.value_or(0) != 0 && rope.mscale_all_dim.value_or(0) != 0)
    return yarn_mscale(rope.factor, *rope.mscale) / yarn_mscale(rope.factor, *rope.mscale_all_dim);
  return yarn_mscale(rope.factor, 1);
}

}  // namespace

struct Rotary::Kept {
  std::mutex mutex;
  RotaryTables tables;
};

Rotary::Rotary(const RopeSpec& rope, int64_t max_positions)
    : rope_(rope),
      stretched_beyond_(rope.scaling == RopeScaling::longrope ? rope.original_max_positions : max_positions),
      attention_factor_(attention_factor_of(rope)),
      kept_(std::make_shared<Kept>()) {
  if (rope_.rotary_size <= 0 || rope_.rotary_size % 2 != 0)
    throw Bug("rotary size " + std::to_string(rope_.rotary_size) + " is not a positive even number");
}

at::Tensor Rotary::inverse_frequencies(int64_t document_length) const {
  switch (rope_.scaling) {
    case RopeScaling::none:
      return 1.0 / powers(rope_.theta, rope_.rotary_size);
    case RopeScaling::linear:
      return (1.0 / powers(rope_.theta, rope_.rotary_size)).div_(rope_.factor);
    case RopeScaling::dynamic:
      return dynamic_frequencies(rope_, stretched_beyond_, document_length);
    case RopeScaling::yarn:
      return yarn_frequencies(rope_);
    case RopeScaling::llama3:
      return llama3_frequencies(rope_);
    case RopeScaling::longrope:
      return long_frequencies(rope_, document_length > stretched_beyond_ ? rope_.long_factors : rope_.short_factors);
  }
  throw Bug("unknown rope scaling");
}

namespace {

RotaryTables from_angles(const at::Tensor& angles_PR, double factor, at::Device device) {
  return {send(angles_PR.cos() * factor, device), send(angles_PR.sin() * factor, device), {}};
}

}  // namespace

bool Rotary::length_matters(const TokenBatch& batch) const {
  if (rope_.scaling != RopeScaling::dynamic && rope_.scaling != RopeScaling::longrope) return false;
  for (const auto& lengths : batch.document_lengths)
    for (int64_t length : lengths)
      if (length > stretched_beyond_) return true;
  return false;
}

RotaryTables Rotary::tables(const TokenBatch& batch, at::ScalarType dtype) const {
  if (length_matters(batch)) return tables_per_token(batch, dtype);
  RotaryTables tables = kept_tables(batch.length(), dtype, batch.ids_BT.device());
  if (!batch.one_document_per_row) tables.rows_BT = batch.positions_BT.contiguous();
  return tables;
}

RotaryTables Rotary::kept_tables(int64_t length, at::ScalarType dtype, at::Device device) const {
  const std::lock_guard<std::mutex> lock(kept_->mutex);
  RotaryTables& kept = kept_->tables;
  const bool fits = kept.cos_PR.defined() && kept.cos_PR.size(0) >= length && kept.cos_PR.scalar_type() == dtype &&
                    kept.cos_PR.device() == device;
  if (!fits) {
    const at::Tensor angles_PR = at::arange(length, dtype).unsqueeze(1) * inverse_frequencies(0).to(dtype);
    kept = from_angles(angles_PR, attention_factor_, device);
  }
  return {kept.cos_PR.narrow(0, 0, length), kept.sin_PR.narrow(0, 0, length), {}};
}

// Dynamic scaling and LongRoPE beyond the original length: every document has frequencies of its own length, and every token its
// own row.
RotaryTables Rotary::tables_per_token(const TokenBatch& batch, at::ScalarType dtype) const {
  std::vector<at::Tensor> pieces;
  for (const auto& lengths : batch.document_lengths) {
    int64_t used = 0;
    for (int64_t length : lengths) {
      pieces.push_back(at::arange(length, dtype).unsqueeze(1) * inverse_frequencies(length).to(dtype));
      used += length;
    }
    pieces.push_back(at::zeros({batch.length() - used, rope_.rotary_size / 2}, dtype));
  }
  RotaryTables tables = from_angles(at::cat(pieces), attention_factor_, batch.ids_BT.device());
  const auto options = at::TensorOptions().dtype(at::kLong).device(batch.ids_BT.device());
  tables.rows_BT = at::arange(batch.rows() * batch.length(), options).view({batch.rows(), batch.length()});
  return tables;
}

}  // namespace distill
