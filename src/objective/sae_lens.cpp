#include "distill/objective/sae_lens.h"

#include <algorithm>
#include <filesystem>

#include "distill/core/json_reader.h"

namespace distill {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeights = "sae_weights.safetensors";

// Reads one cfg.json and notes what it cannot follow.
class Reader {
 public:
  Reader(const Json& config, std::string file, std::vector<SaeFault>& faults)
      : config_(config), file_(std::move(file)), faults_(faults) {}

  // By today's name or by an older one; null when neither is there. SAELens 6 moved what describes the model into `metadata`.
  const Json& get(const char* key, const char* older = nullptr) const {
    static const Json nothing;
    for (const char* name : {key, older}) {
      if (!name) continue;
      if (config_.contains(name) && !config_[name].is_null()) return config_[name];
      if (config_.contains("metadata") && config_["metadata"].is_object() && config_["metadata"].contains(name))
        return config_["metadata"][name];
    }
    return nothing;
  }
  std::string word(const char* key, const std::string& otherwise, const char* older = nullptr) const {
    const Json& value = get(key, older);
    if (value.is_null()) return otherwise;
    if (value.is_string()) return value.get<std::string>();
    refuse("`" + std::string(key) + "` as text", value.dump());
    return otherwise;
  }
  std::optional<int64_t> whole(const Json& value, const char* key) const {
    if (value.is_null()) return std::nullopt;
    if (value.is_number_integer() && value.get<int64_t>() > 0) return value.get<int64_t>();
    refuse("`" + std::string(key) + "` as a whole number above 0", value.dump());
    return std::nullopt;
  }
  bool yes(const char* key, bool otherwise) const {
    const Json& value = get(key);
    if (value.is_null()) return otherwise;
    if (value.is_boolean()) return value.get<bool>();
    refuse("`" + std::string(key) + "` as true or false", value.dump());
    return otherwise;
  }
  void refuse(std::string expected, std::string found, std::string advice = "Take another autoencoder.",
              std::string key = "path") const {
    faults_.push_back({std::move(key), {file_, std::move(expected), std::move(found), std::move(advice), ""}});
  }

 private:
  const Json& config_;
  std::string file_;
  std::vector<SaeFault>& faults_;
};

void read_activation(const Reader& reader, SaeLensConfig& config) {
  const Json& options = reader.get("activation_fn_kwargs");
  const std::string function = reader.word("activation_fn", "relu", "activation_fn_str");
  std::string architecture = reader.word("architecture", "standard");
  config.k = reader.whole(reader.get("k"), "k");
  if (function == "topk") {  // before version 6 an activation, not an architecture
    architecture = "topk";
    if (options.is_object() && options.contains("k")) config.k = reader.whole(options["k"], "activation_fn_kwargs.k");
  } else if (function != "relu") {
    reader.refuse("`activation_fn` relu or topk", "`" + function + "`");
  }
  if (architecture == "standard")
    config.activation = SaeActivation::relu;
  else if (architecture == "topk")
    config.activation = SaeActivation::topk;
  else if (architecture == "jumprelu")
    config.activation = SaeActivation::jumprelu;
  else if (architecture == "gated")
    config.activation = SaeActivation::gated;
  else
    reader.refuse("`architecture` standard, topk, jumprelu or gated", "`" + architecture + "`");
  if (config.activation == SaeActivation::topk && !config.k) reader.refuse("`k` of the architecture topk", "none");
  config.by_decoder_norm = config.activation == SaeActivation::topk && reader.yes("rescale_acts_by_decoder_norm", false);
}

void read_norm(const Reader& reader, const fs::path& folder, SaeLensConfig& config) {
  const Json& value = reader.get("normalize_activations");
  // Older files say false and true.
  const std::string word = value.is_boolean() ? (value.get<bool>() ? "expected_average_only_in" : "none")
                                              : reader.word("normalize_activations", "none");
  config.wants_scale = word == "expected_average_only_in";
  if (word == "constant_norm_rescale")
    config.norm = InputNorm::unit;
  else if (word == "layer_norm")
    config.norm = InputNorm::standard;
  else if (word != "none" && !config.wants_scale)
    reader.refuse("`normalize_activations` none, expected_average_only_in, constant_norm_rescale or layer_norm",
                  "`" + word + "`");
  const fs::path scaler = folder / "activation_scaler.json";
  std::error_code error;
  if (!config.wants_scale || !fs::exists(scaler, error)) return;
  const Json factors = read_json_file(scaler.string(), 1 << 20);
  const double scale = json_double_or(factors, "scaling_factor", 0, scaler.string());
  if (scale > 0) config.scale = scale;
}

// "blocks.7." -> 7, and what follows; nullopt when it is no such name.
std::optional<int64_t> number_after(const std::string& name, const std::string& before, std::string& rest) {
  const size_t begin = name.rfind(before, 0) == 0 ? before.size() : std::string::npos;
  if (begin == std::string::npos) return std::nullopt;
  size_t end = begin;
  while (end < name.size() && end - begin < 6 && name[end] >= '0' && name[end] <= '9') ++end;
  if (end == begin) return std::nullopt;
  rest = name.substr(end);
  return std::stoll(name.substr(begin, end - begin));
}

// Names of TransformerLens, and of modules of transformers: the output of block 7 is hidden state 8.
std::optional<int64_t> layer_of_hook(const std::string& hook) {
  std::string rest;
  if (const auto block = number_after(hook, "blocks.", rest)) {
    if (rest == ".hook_resid_post") return *block + 1;
    if (rest == ".hook_resid_pre") return *block;
    return std::nullopt;
  }
  for (const char* module : {"model.layers.", "transformer.h.", "gpt_neox.layers.", "layers.", "h."})
    if (const auto block = number_after(hook, module, rest); block && rest.empty()) return *block + 1;
  return std::nullopt;
}

void read_place(const Reader& reader, SaeLensConfig& config) {
  config.hook = reader.word("hook_name", "", "hook_point");
  if (config.hook.empty()) config.hook = reader.word("hf_hook_name", "");
  if (!reader.get("hook_head_index", "hook_point_head_index").is_null())
    reader.refuse("an autoencoder of hidden states", "one of a single attention head (`hook_head_index`)");
  const Json& model = reader.get("model_from_pretrained_kwargs");
  if (model.is_object() && model.contains("center_writing_weights") && model["center_writing_weights"] == true)
    reader.refuse("hidden states as transformers gives them",
                  "`center_writing_weights: true`: it was trained on states whose mean is taken out");
  if (config.hook.empty()) return;
  config.layer = layer_of_hook(config.hook);
  if (!config.layer)
    reader.refuse("an autoencoder of hidden states: hook_resid_pre or hook_resid_post of a block", "`" + config.hook + "`");
  const Json& block = reader.get("hook_layer", "hook_point_layer");
  std::string rest;
  const auto named = number_after(config.hook, "blocks.", rest);
  if (block.is_number_integer() && named && block.get<int64_t>() != *named)
    reader.refuse("one block in `hook_name` and `hook_layer`", "`" + config.hook + "` and " + block.dump());
}

fs::path config_file(const std::string& path) {
  std::error_code error;
  const fs::path folder = fs::is_directory(path, error)                    ? fs::path(path)
                          : fs::path(path).filename().string() == kWeights ? fs::path(path).parent_path()
                                                                           : fs::path();
  if (folder.empty() && !fs::is_directory(path, error) && fs::path(path).filename().string() != kWeights) return {};
  const fs::path file = folder / "cfg.json";
  return fs::is_regular_file(file, error) ? file : fs::path();
}

}  // namespace

std::string sae_weights_file(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error) ? (fs::path(path) / kWeights).string() : path;
}

std::optional<SaeLensConfig> read_sae_lens(const std::string& path, std::vector<SaeFault>& faults) {
  const fs::path file = config_file(path);
  if (file.empty()) return std::nullopt;
  const Json json = read_json_file(file.string(), 1 << 20);
  SaeLensConfig config;
  config.file = file.string();
  const Reader reader(json, config.file, faults);
  if (!json.is_object()) {
    reader.refuse("an object with the settings of an autoencoder", std::string(json.type_name()));
    return config;
  }
  read_activation(reader, config);
  read_norm(reader, file.parent_path(), config);
  read_place(reader, config);
  config.center = reader.yes("apply_b_dec_to_input", true);
  config.width = reader.whole(reader.get("d_in"), "d_in").value_or(0);
  config.features = reader.whole(reader.get("d_sae"), "d_sae").value_or(0);
  return config;
}

}  // namespace distill
