// adapter_config.json: what is understood, what changes nothing, and what is refused by name.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "distill/core/error.h"
#include "distill/model/adapter.h"

namespace distill {
namespace {

// Words about where the adapter came from and how it was trained; which modules have one is seen in its tensors.
constexpr std::string_view kHarmless[] = {"auto_mapping",
                                          "base_model_name_or_path",
                                          "revision",
                                          "inference_mode",
                                          "task_type",
                                          "peft_version",
                                          "target_modules",
                                          "exclude_modules",
                                          "layers_to_transform",
                                          "layers_pattern",
                                          "lora_dropout",
                                          "megatron_core",
                                          "runtime_config",
                                          "eva_config",
                                          "qalora_group_size",
                                          "lora_ga_config",
                                          "ensure_weight_tying",
                                          "peft_type",
                                          "r",
                                          "lora_alpha",
                                          "use_rslora",
                                          "fan_in_fan_out",
                                          "init_lora_weights"};

bool says_nothing(const Json& value) {
  return value.is_null() || (value.is_boolean() && !value.get<bool>()) ||
         (value.is_string() && value.get<std::string>().empty()) || (value.is_structured() && value.empty());
}

std::string shown_value(const Json& value) {
  const std::string text = value.dump();
  return text.size() > 40 ? text.substr(0, 40) + "..." : text;
}

[[noreturn]] void refuse(const std::string& where, const std::string& key, const std::string& expected,
                         const std::string& found) {
  throw InputError({where, "\"" + key + "\": " + expected, found,
                    "Merge this adapter with peft (model.merge_and_unload()) and export the merged folder.", ""});
}

// Initialisations that move weights of the base model; the others only choose the first A and B.
void check_initialisation(const Json& config, const std::string& where) {
  const auto found = config.find("init_lora_weights");
  if (found == config.end() || found->is_boolean() || found->is_null()) return;
  for (const char* word : {"gaussian", "eva", "orthogonal"})
    if (*found == word) return;
  refuse(where, "init_lora_weights", "true, false, \"gaussian\", \"eva\" or \"orthogonal\", which leave the base model as it is",
         shown_value(*found));
}

void check_the_rest(const Json& config, const std::string& where) {
  for (const auto& [key, value] : config.items()) {
    if (std::find(std::begin(kHarmless), std::end(kHarmless), key) != std::end(kHarmless) || says_nothing(value)) continue;
    if (key == "bias" && value == "none") continue;
    refuse(where, key, key == "bias" ? "\"none\"" : "null or absent", shown_value(value));
  }
}

}  // namespace

LoraFacts read_lora_config(const Json& config, const std::string& where) {
  const std::string type = json_string(config, "peft_type", where);
  if (type != "LORA") refuse(where, "peft_type", "\"LORA\"", "\"" + type + "\"");
  check_initialisation(config, where);
  check_the_rest(config, where);
  json_bool_or(config, "fan_in_fan_out", false, where);
  LoraFacts facts;
  facts.rank = json_int(config, "r", where);
  const double alpha = json_double_or(config, "lora_alpha", 8, where);  // peft's own default
  if (facts.rank < 1) refuse(where, "r", "at least 1", std::to_string(facts.rank));
  if (!std::isfinite(alpha)) refuse(where, "lora_alpha", "a finite number", shown_value(config.at("lora_alpha")));
  const auto rank = static_cast<double>(facts.rank);
  facts.scale = alpha / (json_bool_or(config, "use_rslora", false, where) ? std::sqrt(rank) : rank);
  return facts;
}

}  // namespace distill
