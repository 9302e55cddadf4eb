// A sparse autoencoder over a hidden state of the teacher: which of its features are active, and how strongly.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <string>

#include "distill/recipe/objective.h"
#include "distill/tensor/source.h"

namespace distill {

struct Autoencoder {
  at::Tensor encoder_DF, bias_F;                   // bias undefined = none; F features
  at::Tensor center_D;                             // subtracted from the hidden state; undefined = nothing
  at::Tensor threshold_F;                          // of jumprelu
  SaeActivation activation = SaeActivation::relu;  // never automatic
  int64_t k = 0;                                   // of topk
  int64_t compared = 32;                           // strongest features that the overlap compares

  int64_t num_features() const { return encoder_DF.size(1); }
  // Activations [n, F] of rows [n, D], differentiable.
  at::Tensor encode(const at::Tensor& rows_ND) const;
};

// Names that are not in the recipe are looked for under those that are usual: W_enc, b_enc, W_dec, b_dec, threshold (SAELens,
// Gemma Scope); encoder.weight, encoder.bias, W_dec, b_dec (EleutherAI); encoder.weight, latent_bias, decoder.weight, pre_bias
// (OpenAI); encoder.weight, encoder.bias, decoder.weight, bias (dictionary_learning); encoder_linear.*, decoder_linear.*; each
// also behind a prefix. The encoder is read as [D, F] or [F, D], whichever has the teacher's width; a square one by its usual
// name or by its decoder's shape. InputError names the file: a tensor that is missing or there twice, another width than
// `hidden_size`, shapes that do not fit each other, an orientation that cannot be told, values that are not finite.
Autoencoder read_autoencoder(const SaeRecipe& recipe, const TensorSource& file, int64_t hidden_size,
                             const at::TensorOptions& options);

// Of rows [N, D] of both models, both in the teacher's width: the sum over rows of the mean over features of (student's
// activation
// - teacher's)^2, differentiable by the student's rows, in chunks of rows; never [N, F]. `overlap` (float64 scalar) is increased
// by the sum over rows of: the share of the teacher's strongest active features that are among the student's.
at::Tensor autoencoder_sum(const Autoencoder& autoencoder, const at::Tensor& student_ND, const at::Tensor& teacher_ND,
                           const at::Tensor& overlap);

}  // namespace distill
