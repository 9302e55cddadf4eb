// How large a model is, and what one token of it costs, from its facts alone.
#include <algorithm>

#include "distill/spec/spec.h"

namespace distill {
namespace {

double mean_context(const ModelSpec& spec, const LayerSpec& layer, int64_t length) {
  const auto n = static_cast<double>(length);
  const double window = layer.window > 0 ? std::min<double>(static_cast<double>(layer.window), n) : n;
  if (!spec.causal) return window;
  return (window * (window + 1) / 2 + (n - window) * window) / n;  // position t sees min(t + 1, window) keys
}

}  // namespace

int64_t count_parameters(const ModelSpec& spec) {
  int64_t total = 0;
  for (const WeightRow& row : weight_rows(spec)) {
    int64_t size = 1;
    for (const int64_t axis : row.shape) size *= axis;
    total += size;
  }
  return total;
}

double forward_flops_per_token(const ModelSpec& spec, int64_t sequence_length) {
  const auto hidden = static_cast<double>(spec.hidden_size), width = static_cast<double>(spec.num_heads * spec.head_size);
  const auto kv_width = static_cast<double>(spec.num_kv_heads * spec.head_size);
  const double mlp = (spec.gated_mlp ? 3 : 2) * hidden * static_cast<double>(spec.intermediate_size);
  const auto matrices = static_cast<double>(spec.num_layers) * (hidden * (2 * width + 2 * kv_width) + mlp);
  const double transform = spec.head_transform ? hidden * hidden : 0;
  double total = 2 * (matrices + transform + hidden * static_cast<double>(spec.head_width()));
  for (const LayerSpec& layer : spec.layers)
    total += 4 * width * mean_context(spec, layer, std::max<int64_t>(sequence_length, 1));
  return total;
}

double activation_bytes_per_token(const ModelSpec& spec) {
  const auto hidden = static_cast<double>(spec.hidden_size), width = static_cast<double>(spec.num_heads * spec.head_size);
  const auto kv_width = static_cast<double>(spec.num_kv_heads * spec.head_size),
             mlp = static_cast<double>(spec.intermediate_size);
  // Input and output of both norms; q, k, v as attention saves them, its output and log-sum-exp; gate, up and their product.
  const double norms = 4 * hidden, attention = 2 * width + 2 * kv_width + static_cast<double>(spec.num_heads);
  const double inner = (spec.gated_mlp ? 4 : 2) * mlp;
  return 4 * (static_cast<double>(spec.num_layers) * (norms + attention + inner) + 2 * hidden);
}

}  // namespace distill
