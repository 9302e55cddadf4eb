// What the axes of each weight count, by our names: channels, heads, units. What cuts a model goes by this one table.
#pragma once

#include <string_view>
#include <vector>

#include "distill/spec/spec.h"

namespace distill {

// `qkv`: all of a fused projection's outputs, in the spec's layout. `gate_up`: all gates, then all ups.
enum class Axis { other, channels, heads, kv_heads, qkv, units, gate_up };

// As stored: [out, in] of a matrix, or [in, out] of a transposed one; one axis of a vector. Bug for a name that is not there.
std::vector<Axis> axes_of(const WeightRow& row);
// The row's name without its block and its ending: "layers.3.mlp.up.weight" is "mlp.up".
std::string_view stem_of(std::string_view ours);
// The block that a weight belongs to; -1 = none.
int64_t layer_of(std::string_view ours);
// The same weight's name in another block.
std::string in_layer(std::string_view ours, int64_t layer);

}  // namespace distill
