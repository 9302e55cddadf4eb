// Rotary positions of config.json: the old keys (rope_theta, rope_scaling) and the newer rope_parameters.
#pragma once

#include "distill/spec/spec.h"

#include "config_reader.h"

namespace distill {

// What a family calls the two numbers beside the object, and the share of a head that turns when nothing is written. No key
// for the share: the whole head turns.
struct RopeKeys {
  const char* theta = "rope_theta";
  const char* partial = nullptr;
  double default_partial = 1;
};

// Needs spec.head_size and spec.max_positions. Source: transformers, modeling_rope_utils.py.
RopeSpec read_rope(ConfigReader& config, const ModelSpec& spec, double default_theta, const RopeKeys& keys = {});

// Two sets, for layers that see everything and for layers with a window: rope_parameters.full_attention and .sliding_attention,
// or the older rope_theta with rope_scaling and rope_local_base_freq.
struct RopePair {
  RopeSpec full, sliding;
};
RopePair read_rope_pair(ConfigReader& config, const ModelSpec& spec, double full_theta, double sliding_theta);

}  // namespace distill
