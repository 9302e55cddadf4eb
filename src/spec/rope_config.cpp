#include "rope_config.h"

#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "distill/core/error.h"

namespace distill {
namespace {

constexpr std::pair<const char*, RopeScaling> kTypes[] = {{"default", RopeScaling::none},    {"linear", RopeScaling::linear},
                                                          {"dynamic", RopeScaling::dynamic}, {"yarn", RopeScaling::yarn},
                                                          {"llama3", RopeScaling::llama3},   {"longrope", RopeScaling::longrope},
                                                          {"su", RopeScaling::longrope}};  // of the first Phi-3

// The one object that describes the scaling, under either name; nullptr when there is none.
const Json* find_parameters(ConfigReader& config, std::string& name) {
  const Json* old_form = config.find("rope_scaling");
  const Json* new_form = config.find("rope_parameters");
  if (old_form && new_form && *old_form != *new_form)
    config.refuse("rope_scaling", "the same as rope_parameters", short_text(*old_form) + " beside " + short_text(*new_form));
  name = new_form ? "rope_parameters." : "rope_scaling.";
  return new_form ? new_form : old_form;
}

RopeScaling read_type(ConfigReader& parameters) {
  const std::string old_word = parameters.word_or("type", "default");
  const std::string word = parameters.word_or("rope_type", old_word);
  for (const auto& [name, scaling] : kTypes)
    if (word == name) return scaling;
  for (const char* planned : {"mrope", "proportional"}) {
    if (word == planned)
      throw InputError({parameters.where(),
                        "a kind of rope scaling that is built (default, linear, dynamic, yarn, llama3, longrope)", word,
                        "The rope scaling \"" + word + "\" is not available yet.", ""});
  }
  parameters.refuse("rope_type", "default, linear, dynamic, yarn, llama3 or longrope", "\"" + word + "\"");
}

double positive(ConfigReader& parameters, const char* key, double fallback) {
  const double value = parameters.number_or(key, fallback);
  if (!(value > 0)) parameters.refuse(key, "a number above 0", short_text(Json(value)));
  return value;
}

double required(ConfigReader& parameters, const char* key) {
  if (!parameters.find(key)) parameters.refuse(key, "a number", "none");
  return positive(parameters, key, 0);
}

std::optional<double> optional_number(ConfigReader& parameters, const char* key) {
  if (!parameters.find(key)) return std::nullopt;
  const double value = parameters.number_or(key, 0);
  if (value < 0) parameters.refuse(key, "a number of at least 0", short_text(Json(value)));
  return value;
}

// transformers lets the key beside the object win over the one inside; two values that differ are refused instead.
int64_t read_original_positions(ConfigReader& config, ConfigReader& parameters, const ModelSpec& spec) {
  const int64_t outside = config.size_or("original_max_position_embeddings", 0);
  const int64_t inside = parameters.size_or("original_max_position_embeddings", 0);
  if (outside && inside && outside != inside)
    parameters.refuse("original_max_position_embeddings", "the same as the key outside (" + std::to_string(outside) + ")",
                      std::to_string(inside));
  return inside ? inside : outside ? outside : spec.max_positions;
}

void read_llama3(ConfigReader& config, ConfigReader& parameters, const ModelSpec& spec, RopeSpec& rope) {
  rope.factor = required(parameters, "factor");
  rope.low_freq_factor = required(parameters, "low_freq_factor");
  rope.high_freq_factor = required(parameters, "high_freq_factor");
  if (rope.high_freq_factor <= rope.low_freq_factor)
    parameters.refuse("high_freq_factor", "above low_freq_factor (" + short_text(Json(rope.low_freq_factor)) + ")",
                      short_text(Json(rope.high_freq_factor)));
  rope.original_max_positions = read_original_positions(config, parameters, spec);
}

void read_yarn(ConfigReader& config, ConfigReader& parameters, const ModelSpec& spec, RopeSpec& rope) {
  rope.original_max_positions = read_original_positions(config, parameters, spec);
  rope.factor =
      positive(parameters, "factor", static_cast<double>(spec.max_positions) / static_cast<double>(rope.original_max_positions));
  // 0 means the default for these, as `or` does in the source.
  const double beta_fast = optional_number(parameters, "beta_fast").value_or(0);
  const double beta_slow = optional_number(parameters, "beta_slow").value_or(0);
  rope.beta_fast = beta_fast > 0 ? beta_fast : 32;
  rope.beta_slow = beta_slow > 0 ? beta_slow : 1;
  if (rope.beta_fast < rope.beta_slow)
    parameters.refuse("beta_fast", "at least beta_slow (" + short_text(Json(rope.beta_slow)) + ")",
                      short_text(Json(rope.beta_fast)));
  rope.truncate = parameters.flag_or("truncate", true);
  rope.attention_factor = optional_number(parameters, "attention_factor");
  rope.mscale = optional_number(parameters, "mscale");
  rope.mscale_all_dim = optional_number(parameters, "mscale_all_dim");
  parameters.harmless("finetuned");
}

std::vector<double> read_factors(ConfigReader& parameters, const char* key, const RopeSpec& rope) {
  const Json* list = parameters.find(key);
  const auto wanted = static_cast<size_t>(rope.rotary_size / 2);
  if (!list || !list->is_array() || list->size() != wanted)
    parameters.refuse(key, "a list of " + std::to_string(wanted) + " numbers", list ? short_text(*list) : "none");
  std::vector<double> factors;
  for (const Json& entry : *list) {
    if (!entry.is_number() || !(entry.get<double>() > 0) || !std::isfinite(entry.get<double>()))
      parameters.refuse(key, "numbers above 0", short_text(entry));
    factors.push_back(entry.get<double>());
  }
  return factors;
}

void read_longrope(ConfigReader& config, ConfigReader& parameters, const ModelSpec& spec, RopeSpec& rope) {
  rope.original_max_positions = read_original_positions(config, parameters, spec);
  if (rope.original_max_positions < 2)
    parameters.refuse("original_max_position_embeddings", "at least 2", std::to_string(rope.original_max_positions));
  rope.factor =
      positive(parameters, "factor", static_cast<double>(spec.max_positions) / static_cast<double>(rope.original_max_positions));
  rope.attention_factor = optional_number(parameters, "attention_factor");
  rope.short_factors = read_factors(parameters, "short_factor", rope);
  rope.long_factors = read_factors(parameters, "long_factor", rope);
  for (const char* key : {"short_mscale", "long_mscale"}) parameters.must_be(key, Json());
}

// Linear and dynamic scaling know no original length but max_position_embeddings.
void read_simple(ConfigReader& config, ConfigReader& parameters, const ModelSpec& spec, RopeSpec& rope) {
  rope.factor = required(parameters, "factor");
  rope.original_max_positions = read_original_positions(config, parameters, spec);
  if (rope.scaling == RopeScaling::dynamic && rope.original_max_positions != spec.max_positions)
    parameters.refuse("original_max_position_embeddings", "max_position_embeddings (" + std::to_string(spec.max_positions) + ")",
                      std::to_string(rope.original_max_positions));
  if (rope.scaling == RopeScaling::dynamic && rope.rotary_size < 4)
    config.refuse("head_dim", "at least 4 with dynamic rope scaling", std::to_string(rope.rotary_size));
}

void read_scaling(ConfigReader& config, ConfigReader& parameters, const ModelSpec& spec, RopeSpec& rope) {
  switch (rope.scaling) {
    case RopeScaling::none:
      return parameters.must_be("factor", 1.0);
    case RopeScaling::linear:
    case RopeScaling::dynamic:
      return read_simple(config, parameters, spec, rope);
    case RopeScaling::yarn:
      return read_yarn(config, parameters, spec, rope);
    case RopeScaling::llama3:
      return read_llama3(config, parameters, spec, rope);
    case RopeScaling::longrope:
      return read_longrope(config, parameters, spec, rope);
  }
}

int64_t rotated_channels(ConfigReader& config, const ModelSpec& spec, double share) {
  if (!(share > 0 && share <= 1)) config.refuse("partial_rotary_factor", "above 0 and at most 1", short_text(Json(share)));
  const auto size = static_cast<int64_t>(static_cast<double>(spec.head_size) * share);
  if (size % 2 != 0 || size == 0)
    config.refuse("head_dim", "even, because positions rotate pairs of channels",
                  std::to_string(spec.head_size) + (share < 1 ? " with " + std::to_string(size) + " rotated channels" : ""));
  return size;
}

// A number that may stand beside the object, in it, or in both alike.
double agreed(ConfigReader& config, const char* outside, ConfigReader* parameters, const char* inside, double fallback) {
  const double value = positive(config, outside, fallback);
  if (!parameters) return value;
  const double inner = positive(*parameters, inside, value);
  if (config.find(outside) && inner != value)
    parameters->refuse(inside, "the same as the key outside (" + short_text(Json(value)) + ")", short_text(Json(inner)));
  return inner;
}

double rotated_share(ConfigReader& config, ConfigReader* parameters, const RopeKeys& keys) {
  if (keys.partial) return agreed(config, keys.partial, parameters, "partial_rotary_factor", keys.default_partial);
  config.must_be("partial_rotary_factor", 1.0);
  if (parameters) parameters->must_be("partial_rotary_factor", 1.0);
  return 1;
}

RopeSpec read_one(ConfigReader& config, const Json* object, const std::string& name, const ModelSpec& spec, double default_theta,
                  const RopeKeys& keys) {
  RopeSpec rope;
  rope.original_max_positions = spec.max_positions;
  std::optional<ConfigReader> parameters;
  if (object) parameters.emplace(*object, config.where(), name);
  ConfigReader* inner = parameters ? &*parameters : nullptr;
  rope.theta = agreed(config, keys.theta, inner, "rope_theta", default_theta);
  rope.rotary_size = rotated_channels(config, spec, rotated_share(config, inner, keys));
  if (inner) {
    rope.scaling = read_type(*inner);
    read_scaling(config, *inner, spec, rope);
    inner->refuse_the_rest();
  }
  if (rope.theta <= 1 && rope.scaling == RopeScaling::yarn)
    config.refuse(keys.theta, "above 1 with yarn", short_text(Json(rope.theta)));
  config.harmless("original_max_position_embeddings");
  return rope;
}

}  // namespace

RopeSpec read_rope(ConfigReader& config, const ModelSpec& spec, double default_theta, const RopeKeys& keys) {
  std::string name;
  const Json* object = find_parameters(config, name);
  return read_one(config, object, name, spec, default_theta, keys);
}

RopePair read_rope_pair(ConfigReader& config, const ModelSpec& spec, double full_theta, double sliding_theta) {
  const RopeKeys sliding_keys{.theta = "rope_local_base_freq"};
  const Json* both = config.find("rope_parameters");
  if (!both) {
    const Json* scaling = config.find("rope_scaling");
    return {read_one(config, scaling, "rope_scaling.", spec, full_theta, {}),
            read_one(config, nullptr, "", spec, sliding_theta, sliding_keys)};
  }
  config.must_be("rope_scaling", Json());  // the older form beside the newer one would have to agree
  ConfigReader parts(*both, config.where(), "rope_parameters.");
  const Json* full = parts.find("full_attention");
  const Json* sliding = parts.find("sliding_attention");
  parts.refuse_the_rest();
  return {read_one(config, full, "rope_parameters.full_attention.", spec, full_theta, {}),
          read_one(config, sliding, "rope_parameters.sliding_attention.", spec, sliding_theta, sliding_keys)};
}

}  // namespace distill
