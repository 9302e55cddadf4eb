// A sparse autoencoder over a hidden state of the teacher: which of its features are active, and how strongly.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <string>
#include <vector>

#include "distill/objective/sae_lens.h"
#include "distill/recipe/objective.h"
#include "distill/tensor/source.h"

namespace distill {

struct Autoencoder {
  at::Tensor encoder_DF, bias_F;                   // bias undefined = none; F features
  at::Tensor center_D;                             // subtracted from the hidden state; undefined = nothing
  at::Tensor threshold_F;                          // of jumprelu
  at::Tensor gate_bias_F, magnitude_F;             // of gated, whose bias_F is that of the magnitudes
  SaeActivation activation = SaeActivation::relu;  // never automatic
  InputNorm norm = InputNorm::none;
  int64_t k = 0;          // of topk
  int64_t compared = 32;  // strongest features that the overlap compares

  int64_t num_features() const { return encoder_DF.size(1); }
  // Activations [n, F] of rows [n, D], differentiable.
  at::Tensor encode(const at::Tensor& rows_ND) const;
};

// The parts of an autoencoder in its file, and what it computes.
struct AutoencoderPlan {
  std::optional<size_t> encoder, bias, center, threshold, gate_bias, magnitude;
  std::optional<size_t> decoder;  // whose rows' norms count
  bool width_first = true;        // the encoder is [D, F]
  SaeActivation activation = SaeActivation::relu;
  InputNorm norm = InputNorm::none;
  double scale = 1;  // of the hidden state
  int64_t k = 0, compared = 32;
};

// What is known of the model that it reads; 0 = not known.
struct SaeTeacher {
  int64_t hidden_size = 0, num_layers = 0;
};

// The hidden state that it reads: the recipe's, or the one that its cfg.json names. nullopt, with a fault, when neither says,
// when they differ, or when the teacher has no such state: that of the last block is one only after the final norm.
std::optional<int64_t> sae_layer(const SaeRecipe& recipe, const std::optional<SaeLensConfig>& config, const SaeTeacher& teacher,
                                 std::vector<SaeFault>& faults);

// From names, shapes and cfg.json alone; no tensor is read. All that does not fit is added to `faults`: a tensor that is missing
// or there twice, another width than the teacher's, shapes that do not fit each other, an orientation that cannot be told, whole
// numbers, a recipe that contradicts cfg.json.
// Names that are not in the recipe are looked for under those that are usual: W_enc, b_enc, W_dec, b_dec, threshold, b_gate,
// r_mag, b_mag (SAELens, Gemma Scope); encoder.weight, encoder.bias, W_dec, b_dec (EleutherAI); encoder.weight, latent_bias,
// decoder.weight, pre_bias (OpenAI); encoder.weight, encoder.bias, decoder.weight, bias, gate_bias, mag_bias, decoder_bias
// (dictionary_learning); encoder_linear.*, decoder_linear.*; each also behind a prefix. The encoder is read as [D, F] or [F, D],
// whichever has the teacher's width; a square one by its usual name or by its decoder's shape.
AutoencoderPlan plan_autoencoder(const SaeRecipe& recipe, const std::optional<SaeLensConfig>& config, const TensorSource& file,
                                 const SaeTeacher& teacher, std::vector<SaeFault>& faults);
// All of the above about one file.
struct ExaminedAutoencoder {
  std::optional<int64_t> layer;
  AutoencoderPlan plan;
  std::vector<SaeFault> faults;  // empty: it can be read
};
ExaminedAutoencoder examine_autoencoder(const SaeRecipe& recipe, const TensorSource& file, const SaeTeacher& teacher);
// InputError for values that are not finite.
Autoencoder read_autoencoder(const AutoencoderPlan& plan, const TensorSource& file, const at::TensorOptions& options);

// Of rows [N, D] of both models, both in the teacher's width: the sum over rows of the mean over features of (student's
// activation
// - teacher's)^2, differentiable by the student's rows, in chunks of rows; never [N, F]. `overlap` (float64 scalar) is increased
// by the sum over rows of: the share of the teacher's strongest active features that are among the student's.
at::Tensor autoencoder_sum(const Autoencoder& autoencoder, const at::Tensor& student_ND, const at::Tensor& teacher_ND,
                           const at::Tensor& overlap);

}  // namespace distill
