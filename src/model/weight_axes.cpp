#include "weight_axes.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "distill/core/error.h"

namespace distill {
namespace {

constexpr std::string_view kLayers = "layers.";

struct Part {
  std::string_view stem;
  Axis out, in = Axis::other;
};
constexpr Part kParts[] = {
    {"embedding", Axis::other, Axis::channels},
    {"position_embedding", Axis::other, Axis::channels},
    {"token_type_embedding", Axis::other, Axis::channels},
    {"embedding_norm", Axis::channels},
    {"attention_norm", Axis::channels},
    {"attention.q", Axis::heads, Axis::channels},
    {"attention.k", Axis::kv_heads, Axis::channels},
    {"attention.v", Axis::kv_heads, Axis::channels},
    {"attention.qkv", Axis::qkv, Axis::channels},
    {"attention.q_norm", Axis::other},
    {"attention.k_norm", Axis::other},
    {"attention.out", Axis::channels, Axis::heads},
    {"attention_post_norm", Axis::channels},
    {"mlp_norm", Axis::channels},
    {"mlp.gate", Axis::units, Axis::channels},
    {"mlp.up", Axis::units, Axis::channels},
    {"mlp.gate_up", Axis::gate_up, Axis::channels},
    {"mlp.down", Axis::channels, Axis::units},
    {"mlp_post_norm", Axis::channels},
    {"final_norm", Axis::channels},
    {"head_transform", Axis::channels, Axis::channels},
    {"head_norm", Axis::channels},
    {"head", Axis::other, Axis::channels},
    {"tied_head", Axis::other},
    {"pooler", Axis::channels, Axis::channels},
    {"classifier", Axis::other, Axis::channels},
};

// Where the name goes on behind "layers.N."; 0 = it has no block.
size_t end_of_layer(std::string_view ours) { return ours.starts_with(kLayers) ? ours.find('.', kLayers.size()) + 1 : 0; }

}  // namespace

std::string_view stem_of(std::string_view ours) {
  const std::string_view part = ours.substr(end_of_layer(ours));
  return part.substr(0, part.rfind('.'));
}

int64_t layer_of(std::string_view ours) {
  const size_t end = end_of_layer(ours);
  int64_t layer = -1;
  if (end > 0) std::from_chars(ours.data() + kLayers.size(), ours.data() + end - 1, layer);
  return layer;
}

std::string in_layer(std::string_view ours, int64_t layer) {
  const size_t end = end_of_layer(ours);
  if (end == 0) return std::string(ours);
  return std::string(kLayers) + std::to_string(layer) + "." + std::string(ours.substr(end));
}

std::vector<Axis> axes_of(const WeightRow& row) {
  const std::string_view stem = stem_of(row.ours);
  for (const Part& part : kParts) {
    if (part.stem != stem) continue;
    if (row.shape.size() == 1) return {part.out};
    std::vector<Axis> axes = {part.out, part.in};
    if (row.transform == WeightTransform::transpose) std::swap(axes[0], axes[1]);
    return axes;
  }
  throw Bug("nobody says what the axes of " + row.ours + " count");
}

}  // namespace distill
