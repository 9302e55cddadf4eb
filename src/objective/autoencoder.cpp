#include "distill/objective/autoencoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <initializer_list>

#include "distill/core/error.h"
#include "distill/objective/sum_of_pieces.h"
#include "distill/tensor/shape.h"

namespace distill {
namespace {

using Words = std::initializer_list<const char*>;

// Looks tensors up in one file: by the recipe's name, or under the usual ones.
class Finder {
 public:
  Finder(const TensorSource& file, at::TensorOptions options) : file_(file), options_(options) {}

  // The place of the tensor, or none.
  std::optional<size_t> find(const char* key, const std::string& given, Words usual) const {
    if (!given.empty()) {
      const auto found = named(given);
      if (!found)
        refuse("a tensor `" + given + "` (`sae." + key + "`)", "tensors " + all_names(), "Correct `" + std::string(key) + "`.");
      return found;
    }
    for (const char* word : usual)
      if (const auto found = named(word)) return found;
    for (const std::string word : usual)  // behind a prefix every bias is called `bias`
      if (const auto found = word == "bias" ? std::nullopt : behind_a_prefix(key, word)) return found;
    return std::nullopt;
  }

  const std::string& name(size_t place) const { return file_.tensors()[place].name; }
  const std::vector<int64_t>& shape(size_t place) const { return file_.tensors()[place].shape; }

  at::Tensor read(size_t place) const {
    const at::Tensor tensor = file_.read(place, options_.dtype().toScalarType(), options_.device());
    if (!at::isfinite(tensor).all().item<bool>())
      refuse("finite values", "`" + name(place) + "` with NaN or infinity", "Take another file.");
    return tensor;
  }
  at::Tensor read_vector(std::optional<size_t> place, int64_t size) const {
    if (!place) return {};
    if (shape(*place) != std::vector<int64_t>{size})
      refuse("`" + name(*place) + "` of shape " + shape_text(std::vector<int64_t>{size}), shape_text(shape(*place)),
             "Name the right tensor in the recipe, under `sae`.");
    return read(*place);
  }

  [[noreturn]] void refuse(std::string expected, std::string found, std::string advice) const {
    throw InputError({file_.where(), std::move(expected), std::move(found), std::move(advice), ""});
  }
  std::string all_names() const {
    std::string text;
    for (size_t i = 0; i < file_.tensors().size() && i < 12; ++i) text += (i ? ", " : "") + file_.tensors()[i].name;
    return file_.tensors().size() > 12 ? text + ", ..." : text.empty() ? "none" : text;
  }

 private:
  std::optional<size_t> named(const std::string& word) const {
    for (size_t i = 0; i < file_.tensors().size(); ++i)
      if (file_.tensors()[i].name == word) return i;
    return std::nullopt;
  }
  std::optional<size_t> behind_a_prefix(const char* key, const std::string& word) const {
    std::optional<size_t> found;
    for (size_t i = 0; i < file_.tensors().size(); ++i) {
      if (!name(i).ends_with("." + word)) continue;
      if (found)
        refuse("one tensor `" + word + "`", name(*found) + " and " + name(i),
               "Say which in the recipe: `sae: {" + std::string(key) + ": ...}`.");
      found = i;
    }
    return found;
  }

  const TensorSource& file_;
  at::TensorOptions options_;
};

bool ends_with_word(const std::string& name, Words words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string word) { return name == word || name.ends_with("." + word); });
}

// The encoder is [D, F] (true) or [F, D].
bool is_width_first(const Finder& finder, size_t encoder, std::optional<size_t> decoder, int64_t hidden_size) {
  const std::vector<int64_t>& shape = finder.shape(encoder);
  const std::string name = "`" + finder.name(encoder) + "` of shape " + shape_text(shape);
  const std::string width = std::to_string(hidden_size);
  if (shape.size() != 2 || (shape[0] != hidden_size && shape[1] != hidden_size))
    finder.refuse("an encoder for hidden states of width " + width + ", the teacher's: [" + width + ", features] or [features, " +
                      width + "]",
                  name, "Take the autoencoder that was trained on this teacher.");
  if (shape[0] != shape[1]) return shape[0] == hidden_size;
  if (ends_with_word(finder.name(encoder), {"W_enc"})) return true;
  if (ends_with_word(finder.name(encoder), {"encoder.weight", "encoder_linear.weight"})) return false;
  if (decoder && ends_with_word(finder.name(*decoder), {"decoder.weight", "decoder_linear.weight"})) return false;
  if (decoder && ends_with_word(finder.name(*decoder), {"W_dec"})) return true;
  finder.refuse("an encoder whose orientation can be told", name + ", square and of no usual name",
                "Rename it W_enc when it maps rows as x @ W, encoder.weight when as x @ W.T.");
}

SaeActivation activation_of(const SaeRecipe& recipe, bool has_threshold) {
  if (recipe.activation != SaeActivation::automatic) return recipe.activation;
  if (has_threshold) return SaeActivation::jumprelu;
  return recipe.k ? SaeActivation::topk : SaeActivation::relu;
}

bool is_centered(const SaeRecipe& recipe, const Finder& finder, std::optional<size_t> decoder_bias, SaeActivation activation) {
  if (recipe.center) return *recipe.center;
  if (!decoder_bias || activation == SaeActivation::jumprelu) return false;
  return !recipe.decoder_bias.empty() || ends_with_word(finder.name(*decoder_bias), {"b_dec", "pre_bias"}) ||
         finder.name(*decoder_bias) == "bias";
}

void check_decoder(const Finder& finder, size_t decoder, const at::Tensor& encoder_DF) {
  const std::vector<int64_t>& shape = finder.shape(decoder);
  const std::vector<int64_t> straight = encoder_DF.sizes().vec(), turned(straight.rbegin(), straight.rend());
  if (shape != straight && shape != turned)
    finder.refuse("a decoder that turns the encoder around: " + shape_text(turned) + " or " + shape_text(straight),
                  "`" + finder.name(decoder) + "` of shape " + shape_text(shape), "Name the right tensors under `sae`.");
}

}  // namespace

Autoencoder read_autoencoder(const SaeRecipe& recipe, const TensorSource& file, int64_t hidden_size,
                             const at::TensorOptions& options) {
  const Finder finder(file, options);
  const auto encoder = finder.find("encoder", recipe.encoder, {"W_enc", "encoder.weight", "encoder_linear.weight"});
  if (!encoder)
    finder.refuse("the encoder's matrix: W_enc, encoder.weight or encoder_linear.weight", "tensors " + finder.all_names(),
                  "Name it in the recipe: `sae: {encoder: ...}`.");
  const auto decoder = finder.find("decoder", recipe.decoder, {"W_dec", "decoder.weight", "decoder_linear.weight"});
  const auto bias =
      finder.find("encoder_bias", recipe.encoder_bias, {"b_enc", "encoder.bias", "latent_bias", "encoder_linear.bias"});
  const auto decoder_bias =
      finder.find("decoder_bias", recipe.decoder_bias, {"b_dec", "pre_bias", "bias", "decoder.bias", "decoder_linear.bias"});
  const auto threshold = finder.find("threshold", recipe.threshold, {"threshold"});

  Autoencoder autoencoder;
  autoencoder.activation = activation_of(recipe, threshold.has_value());
  const bool width_first = is_width_first(finder, *encoder, decoder, hidden_size);
  const at::Tensor stored = finder.read(*encoder);
  autoencoder.encoder_DF = width_first ? stored : stored.t();
  if (decoder) check_decoder(finder, *decoder, autoencoder.encoder_DF);
  autoencoder.bias_F = finder.read_vector(bias, autoencoder.num_features());
  if (is_centered(recipe, finder, decoder_bias, autoencoder.activation)) {
    if (!decoder_bias)
      finder.refuse("the decoder's bias, because of `center: true`", "tensors " + finder.all_names(),
                    "Name it in the recipe: `sae: {decoder_bias: ...}`, or remove `center`.");
    autoencoder.center_D = finder.read_vector(decoder_bias, hidden_size);
  }
  if (autoencoder.activation == SaeActivation::jumprelu) {
    if (!threshold)
      finder.refuse("thresholds for `activation: jumprelu`: `threshold`", "tensors " + finder.all_names(),
                    "Name them in the recipe: `sae: {threshold: ...}`, or choose another activation.");
    autoencoder.threshold_F = finder.read_vector(threshold, autoencoder.num_features());
  }
  const int64_t k = recipe.k.value_or(std::min<int64_t>(32, autoencoder.num_features()));
  if (k > autoencoder.num_features())
    finder.refuse("at least as many features as `k` (" + std::to_string(k) + ")",
                  std::to_string(autoencoder.num_features()) + " features", "Lower `sae.k`.");
  autoencoder.k = autoencoder.compared = k;
  return autoencoder;
}

at::Tensor Autoencoder::encode(const at::Tensor& rows_ND) const {
  const at::Tensor centered_ND = center_D.defined() ? rows_ND - center_D : rows_ND;
  const at::Tensor before_NF = bias_F.defined() ? at::addmm(bias_F, centered_ND, encoder_DF) : centered_ND.matmul(encoder_DF);
  switch (activation) {
    case SaeActivation::jumprelu:
      return at::relu(before_NF) * before_NF.detach().gt(threshold_F);
    case SaeActivation::topk: {
      const at::Tensor places = std::get<1>(at::topk(before_NF.detach(), k, 1));
      return at::relu(before_NF) * at::zeros_like(before_NF.detach()).scatter_(1, places, 1);
    }
    default:
      return at::relu(before_NF);
  }
}

namespace {

constexpr int64_t kWorkspace = int64_t{1} << 22;  // numbers of one [rows, F]

// Of each row: the `count` strongest features that are active at all, as 1 in [n, F].
at::Tensor strongest(const at::Tensor& features_NF, int64_t count) {
  const auto [values, places] = at::topk(features_NF, count, 1);
  return at::zeros_like(features_NF).scatter_(1, places, values.gt(0).to(features_NF.scalar_type()));
}

at::Tensor overlap_sum(const at::Tensor& student_NF, const at::Tensor& teacher_NF, int64_t count) {
  const at::Tensor ours_NF = strongest(student_NF, count), theirs_NF = strongest(teacher_NF, count);
  return ((ours_NF * theirs_NF).sum(1) / theirs_NF.sum(1).clamp_min(1)).sum();
}

}  // namespace

at::Tensor autoencoder_sum(const Autoencoder& autoencoder, const at::Tensor& student_ND, const at::Tensor& teacher_ND,
                           const at::Tensor& overlap) {
  const int64_t num_rows = student_ND.size(0);
  const int64_t step = std::clamp<int64_t>(kWorkspace / autoencoder.num_features(), 1, 1024);
  const auto rows_of = [num_rows, step](const at::Tensor& rows_ND, int64_t piece) {
    return rows_ND.narrow(0, piece * step, std::min(step, num_rows - piece * step));
  };
  Pieces pieces;
  pieces.count = (num_rows + step - 1) / step;
  pieces.views = [rows_of](int64_t piece, const std::vector<at::Tensor>& inputs) -> std::vector<at::Tensor> {
    return {rows_of(inputs[0], piece)};
  };
  pieces.value = [=](int64_t piece, const std::vector<at::Tensor>& views) {
    const at::ScalarType type = autoencoder.encoder_DF.scalar_type();
    const at::Tensor student_NF = autoencoder.encode(views[0].to(type));
    at::Tensor teacher_NF;
    {
      const at::NoGradGuard no_grad;
      teacher_NF = autoencoder.encode(rows_of(teacher_ND, piece).to(type));
      // The backward pass computes the piece again; what is only looked at is looked at once.
      if (!student_NF.requires_grad()) overlap.add_(overlap_sum(student_NF, teacher_NF, autoencoder.compared));
    }
    return (student_NF - teacher_NF).square().mean(1).sum();
  };
  return sum_of_pieces({student_ND}, std::move(pieces));
}

}  // namespace distill
