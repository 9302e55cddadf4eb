// A folder that SAELens saved (cfg.json, sae_weights.safetensors): what its autoencoder computes, and which hidden state it
// reads. Written from SAELens 6, whose rules for the files of older versions are kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "distill/core/error.h"
#include "distill/recipe/objective.h"

namespace distill {

// One mistake about an autoencoder: the key under `sae` that is to blame ("path", "layer", "k", ...), and what to say.
struct SaeFault {
  std::string key;
  Complaint complaint;
};

// What is done to a hidden state before anything else.
enum class InputNorm {
  none,
  unit,      // constant_norm_rescale: the square root of the width over its L2 norm
  standard,  // layer_norm: minus its mean, over its (unbiased) deviation + 1e-5
};

struct SaeLensConfig {
  std::string file;  // cfg.json, for messages
  SaeActivation activation = SaeActivation::relu;
  std::optional<int64_t> k;
  bool center = true;  // apply_b_dec_to_input
  InputNorm norm = InputNorm::none;
  bool wants_scale = false;         // expected_average_only_in
  std::optional<double> scale;      // of activation_scaler.json
  bool by_decoder_norm = false;     // rescale_acts_by_decoder_norm: topk chooses by activation times the decoder row's norm
  int64_t width = 0, features = 0;  // d_in, d_sae; 0 = not said
  std::string hook;                 // "blocks.7.hook_resid_post"
  std::optional<int64_t> layer;     // the same as Hugging Face counts hidden states
};

// The file with the weights: of a folder its sae_weights.safetensors, else the path itself.
std::string sae_weights_file(const std::string& path);
// nullopt when there is no cfg.json: `path` is neither such a folder nor the sae_weights.safetensors in one. What would change
// the mathematics and is not known here is a fault that names it.
std::optional<SaeLensConfig> read_sae_lens(const std::string& path, std::vector<SaeFault>& faults);

}  // namespace distill
