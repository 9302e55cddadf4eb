// Rotary positions of config.json: the old keys (rope_theta, rope_scaling) and the newer rope_parameters.
#pragma once

#include "distill/spec/spec.h"

#include "config_reader.h"

namespace distill {

// Needs spec.head_size and spec.max_positions. Source: transformers, modeling_rope_utils.py.
RopeSpec read_rope(ConfigReader& config, const ModelSpec& spec, double default_theta);

}  // namespace distill
