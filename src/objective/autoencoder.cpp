#include "distill/objective/autoencoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/norm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "distill/core/error.h"
#include "distill/objective/sum_of_pieces.h"
#include "distill/tensor/dtype.h"
#include "distill/tensor/shape.h"

namespace distill {
namespace {

using Words = std::initializer_list<const char*>;

bool ends_with_word(const std::string& name, Words words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string word) { return name == word || name.ends_with("." + word); });
}

// Looks tensors up in one file, by the recipe's name or under the usual ones, and notes what does not fit.
class Finder {
 public:
  Finder(const TensorSource& file, std::vector<SaeFault>& faults) : file_(file), faults_(faults) {}

  // The place of the tensor, or none.
  std::optional<size_t> find(const char* key, const std::string& given, Words usual) {
    const auto found = given.empty() ? under_usual_names(key, usual) : named(given);
    if (!found && !given.empty())
      refuse("a tensor `" + given + "` (`sae." + key + "`)", "tensors " + all_names(), "Correct `" + std::string(key) + "`.",
             key);
    if (found && !at::isFloatingType(file_.tensors()[*found].dtype))
      refuse("floating-point numbers", "`" + name(*found) + "` of " + dtype_word(file_.tensors()[*found].dtype),
             "Save the autoencoder in float32 or float16.");
    return found;
  }

  const std::string& name(size_t place) const { return file_.tensors()[place].name; }
  const std::vector<int64_t>& shape(size_t place) const { return file_.tensors()[place].shape; }
  std::string described(size_t place) const { return "`" + name(place) + "` of shape " + shape_text(shape(place)); }

  void expect_vector(std::optional<size_t> place, int64_t size) {
    if (place && shape(*place) != std::vector<int64_t>{size})
      refuse("`" + name(*place) + "` of shape " + shape_text(std::vector<int64_t>{size}), shape_text(shape(*place)),
             "Name the right tensor in the recipe, under `sae`.");
  }
  void refuse(std::string expected, std::string found, std::string advice, std::string key = "path") {
    faults_.push_back({std::move(key), {file_.where(), std::move(expected), std::move(found), std::move(advice), ""}});
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
  std::optional<size_t> under_usual_names(const char* key, Words usual) {
    for (const char* word : usual)
      if (const auto found = named(word)) return found;
    for (const std::string word : usual)  // behind a prefix every bias is called `bias`
      if (const auto found = word == "bias" ? std::nullopt : behind_a_prefix(key, word)) return found;
    return std::nullopt;
  }
  std::optional<size_t> behind_a_prefix(const char* key, const std::string& word) {
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
  std::vector<SaeFault>& faults_;
};

// The encoder is [D, F] (true) or [F, D]; nullopt, with a fault, when it is neither or either.
std::optional<bool> is_width_first(Finder& finder, size_t encoder, std::optional<size_t> decoder, int64_t hidden_size) {
  const std::vector<int64_t>& shape = finder.shape(encoder);
  const std::string width = std::to_string(hidden_size);
  if (shape.size() != 2 || (hidden_size > 0 && shape[0] != hidden_size && shape[1] != hidden_size)) {
    finder.refuse("an encoder for hidden states of width " + width + ", the teacher's: [" + width + ", features] or [features, " +
                      width + "]",
                  finder.described(encoder), "Take the autoencoder that was trained on this teacher.");
    return std::nullopt;
  }
  if (hidden_size > 0 && shape[0] != shape[1]) return shape[0] == hidden_size;
  if (ends_with_word(finder.name(encoder), {"W_enc"})) return true;
  if (ends_with_word(finder.name(encoder), {"encoder.weight", "encoder_linear.weight"})) return false;
  if (decoder && ends_with_word(finder.name(*decoder), {"decoder.weight", "decoder_linear.weight"})) return false;
  if (decoder && ends_with_word(finder.name(*decoder), {"W_dec"})) return true;
  finder.refuse("an encoder whose orientation can be told", finder.described(encoder) + ", square and of no usual name",
                "Rename it W_enc when it maps rows as x @ W, encoder.weight when as x @ W.T.");
  return std::nullopt;
}

SaeActivation activation_of(const SaeRecipe& recipe, const std::optional<SaeLensConfig>& config, const AutoencoderPlan& plan) {
  if (recipe.activation != SaeActivation::automatic) return recipe.activation;
  if (config) return config->activation;
  if (plan.magnitude) return SaeActivation::gated;
  if (plan.threshold) return SaeActivation::jumprelu;
  return recipe.k ? SaeActivation::topk : SaeActivation::relu;
}

bool is_centered(const SaeRecipe& recipe, const std::optional<SaeLensConfig>& config, const Finder& finder,
                 std::optional<size_t> decoder_bias, SaeActivation activation) {
  if (recipe.center) return *recipe.center;
  if (config) return config->center;
  if (!decoder_bias || activation == SaeActivation::jumprelu) return false;
  return !recipe.decoder_bias.empty() || ends_with_word(finder.name(*decoder_bias), {"b_dec", "pre_bias", "decoder_bias"}) ||
         finder.name(*decoder_bias) == "bias";
}

void check_decoder(Finder& finder, size_t decoder, size_t encoder, bool width_first) {
  const std::vector<int64_t>& stored = finder.shape(encoder);
  const std::vector<int64_t> turned(stored.rbegin(), stored.rend());
  if (finder.shape(decoder) != stored && finder.shape(decoder) != turned)
    finder.refuse("a decoder that turns the encoder around: " + shape_text(width_first ? turned : stored) + " or " +
                      shape_text(width_first ? stored : turned),
                  finder.described(decoder), "Name the right tensors under `sae`.");
}

// The recipe may repeat what cfg.json says, not contradict it.
void check_against_config(const SaeRecipe& recipe, const SaeLensConfig& config, std::vector<SaeFault>& faults) {
  const auto differ = [&](const char* key, const std::string& theirs, const std::string& ours) {
    faults.push_back({key,
                      {config.file, "what it says itself, `" + theirs + "`", "`" + ours + "` in the recipe",
                       "Remove `" + std::string(key) + "` from the recipe.", ""}});
  };
  const auto truth = [](bool value) { return value ? "true" : "false"; };
  if (recipe.activation != SaeActivation::automatic && recipe.activation != config.activation)
    differ("activation", std::string(enum_name(config.activation)), std::string(enum_name(recipe.activation)));
  if (recipe.k && config.activation == SaeActivation::topk && config.k && *recipe.k != *config.k)
    differ("k", "k: " + std::to_string(*config.k), "k: " + std::to_string(*recipe.k));
  if (recipe.center && *recipe.center != config.center)
    differ("center", std::string("apply_b_dec_to_input: ") + truth(config.center),
           std::string("center: ") + truth(*recipe.center));
}

// The factor of the hidden states. The file with the weights does not hold it.
double scale_of(const SaeRecipe& recipe, const std::optional<SaeLensConfig>& config, Finder& finder) {
  const std::optional<double> known = recipe.scale ? recipe.scale : config ? config->scale : std::nullopt;
  if (config && config->wants_scale && !known)
    finder.refuse("the factor of the hidden states beside `normalize_activations: expected_average_only_in`",
                  "none, and no activation_scaler.json",
                  "Give the one of the training run: `sae: {scale: ...}`; 1 when it is folded in.", "scale");
  if (recipe.scale && !(config && config->wants_scale))
    finder.refuse("`scale` only for a SAELens folder whose normalize_activations is expected_average_only_in",
                  config ? "another one" : "no cfg.json", "Remove `scale`.", "scale");
  return known.value_or(1);
}

void find_parts(const SaeRecipe& recipe, Finder& finder, AutoencoderPlan& plan) {
  plan.encoder = finder.find("encoder", recipe.encoder, {"W_enc", "encoder.weight", "encoder_linear.weight"});
  if (!plan.encoder && recipe.encoder.empty())
    finder.refuse("the encoder's matrix: W_enc, encoder.weight or encoder_linear.weight", "tensors " + finder.all_names(),
                  "Name it in the recipe: `sae: {encoder: ...}`.");
  plan.decoder = finder.find("decoder", recipe.decoder, {"W_dec", "decoder.weight", "decoder_linear.weight"});
  plan.bias = finder.find("encoder_bias", recipe.encoder_bias, {"b_enc", "encoder.bias", "latent_bias", "encoder_linear.bias"});
  plan.center = finder.find("decoder_bias", recipe.decoder_bias,
                            {"b_dec", "pre_bias", "bias", "decoder_bias", "decoder.bias", "decoder_linear.bias"});
  plan.threshold = finder.find("threshold", recipe.threshold, {"threshold"});
  plan.magnitude = finder.find("path", "", {"r_mag"});
}

// What the activation reads beside the encoder, and nothing that another one would.
void find_activation_parts(Finder& finder, AutoencoderPlan& plan) {
  if (plan.activation != SaeActivation::jumprelu) {
    plan.threshold = std::nullopt;
  } else if (!plan.threshold) {
    finder.refuse("thresholds for `activation: jumprelu`: `threshold`", "tensors " + finder.all_names(),
                  "Name them in the recipe: `sae: {threshold: ...}`, or choose another activation.");
  }
  if (plan.activation != SaeActivation::gated) {
    plan.magnitude = std::nullopt;
    return;
  }
  plan.gate_bias = finder.find("path", "", {"b_gate", "gate_bias"});
  plan.bias = finder.find("path", "", {"b_mag", "mag_bias"});
  if (!plan.gate_bias || !plan.bias || !plan.magnitude)
    finder.refuse("the parts of a gated autoencoder: r_mag, b_gate and b_mag (gate_bias and mag_bias)",
                  "tensors " + finder.all_names(), "Take a file with all of them, or choose another activation.");
}

void check_features(const SaeRecipe& recipe, const std::optional<SaeLensConfig>& config, Finder& finder, int64_t features,
                    int64_t width, AutoencoderPlan& plan) {
  for (const auto& part : {plan.bias, plan.threshold, plan.gate_bias, plan.magnitude}) finder.expect_vector(part, features);
  finder.expect_vector(plan.center, width);
  if (config && ((config->width > 0 && config->width != width) || (config->features > 0 && config->features != features)))
    finder.refuse(
        "d_in " + std::to_string(config->width) + " and d_sae " + std::to_string(config->features) + ", as cfg.json says",
        finder.described(*plan.encoder), "Take the weights and the cfg.json of one autoencoder.");
  const std::optional<int64_t> k = plan.activation == SaeActivation::topk && config && config->k ? config->k : recipe.k;
  plan.k = plan.compared = k.value_or(std::min<int64_t>(32, features));
  if (plan.k > features)
    finder.refuse("at least as many features as `k` (" + std::to_string(plan.k) + ")", std::to_string(features) + " features",
                  "Lower `sae.k`.", recipe.k ? "k" : "path");
}

}  // namespace

std::optional<int64_t> sae_layer(const SaeRecipe& recipe, const std::optional<SaeLensConfig>& config, const SaeTeacher& teacher,
                                 std::vector<SaeFault>& faults) {
  const std::optional<int64_t> theirs = config ? config->layer : std::nullopt;
  const std::optional<int64_t> layer = recipe.layer ? recipe.layer : theirs;
  if (!layer) {
    faults.push_back({"path",
                      {recipe.path, "the hidden state that it reads: `layer`, or a SAELens folder that names it",
                       config ? "a cfg.json that names none" : "no `layer`", "Add it, for example `layer: 8`.", ""}});
    return std::nullopt;
  }
  if (theirs && *layer != *theirs) {
    faults.push_back(
        {"layer",
         {config->file, "layer " + std::to_string(*theirs) + ", because it reads `" + config->hook + "`",
          "`layer: " + std::to_string(*layer) + "` in the recipe",
          "Remove `layer`, or take the autoencoder of that layer. Layers are counted as hidden states: block 0 makes 1.", ""}});
    return std::nullopt;
  }
  if (teacher.num_layers == 0 || *layer < teacher.num_layers + (theirs ? 0 : 1)) return layer;
  const bool last = theirs && *layer == teacher.num_layers;
  faults.push_back(
      {recipe.layer ? "layer" : "path",
       {theirs ? config->file : recipe.path,
        last ? "the state before the teacher's last block, or an earlier one: behind the last block it is seen only after the "
               "final norm"
             : "teacher layers 0 to " + std::to_string(teacher.num_layers),
        theirs ? "`" + config->hook + "`, layer " + std::to_string(*layer) : std::to_string(*layer),
        "Take the autoencoder of an earlier layer.", ""}});
  return std::nullopt;
}

AutoencoderPlan plan_autoencoder(const SaeRecipe& recipe, const std::optional<SaeLensConfig>& config, const TensorSource& file,
                                 const SaeTeacher& teacher, std::vector<SaeFault>& faults) {
  Finder finder(file, faults);
  AutoencoderPlan plan;
  find_parts(recipe, finder, plan);
  if (config) check_against_config(recipe, *config, faults);
  plan.activation = activation_of(recipe, config, plan);
  find_activation_parts(finder, plan);
  const bool centered = is_centered(recipe, config, finder, plan.center, plan.activation);
  if (centered && !plan.center)
    finder.refuse(std::string("the decoder's bias, because of ") + (recipe.center ? "`center: true`" : "`apply_b_dec_to_input`"),
                  "tensors " + finder.all_names(), "Name it in the recipe: `sae: {decoder_bias: ...}`, or remove `center`.");
  if (!centered) plan.center = std::nullopt;
  if (recipe.activation == SaeActivation::topk && !recipe.k && !(config && config->k))
    finder.refuse("`k` beside `activation: topk`", "no `k`", "Say how many features are kept, for example `k: 32`.",
                  "activation");
  plan.norm = config ? config->norm : InputNorm::none;
  plan.scale = scale_of(recipe, config, finder);
  const auto width_first = plan.encoder ? is_width_first(finder, *plan.encoder, plan.decoder, teacher.hidden_size) : std::nullopt;
  if (!width_first) return plan;
  plan.width_first = *width_first;
  const std::vector<int64_t>& shape = finder.shape(*plan.encoder);
  check_features(recipe, config, finder, shape[plan.width_first ? 1 : 0], shape[plan.width_first ? 0 : 1], plan);
  if (plan.decoder) check_decoder(finder, *plan.decoder, *plan.encoder, plan.width_first);
  if (config && config->by_decoder_norm && !plan.decoder)
    finder.refuse("the decoder, whose norms `rescale_acts_by_decoder_norm` reads", "tensors " + finder.all_names(),
                  "Name it in the recipe: `sae: {decoder: ...}`.");
  if (!config || !config->by_decoder_norm) plan.decoder = std::nullopt;
  return plan;
}

ExaminedAutoencoder examine_autoencoder(const SaeRecipe& recipe, const TensorSource& file, const SaeTeacher& teacher) {
  ExaminedAutoencoder examined;
  const auto config = read_sae_lens(recipe.path, examined.faults);
  examined.layer = sae_layer(recipe, config, teacher, examined.faults);
  examined.plan = plan_autoencoder(recipe, config, file, teacher, examined.faults);
  return examined;
}

Autoencoder read_autoencoder(const AutoencoderPlan& plan, const TensorSource& file, const at::TensorOptions& options) {
  const auto read = [&](std::optional<size_t> place) {
    if (!place) return at::Tensor();
    if (options.device().is_meta()) return at::empty(file.tensors()[*place].shape, options);  // sizes alone are asked for
    at::Tensor tensor = file.read(*place, options.dtype().toScalarType(), options.device());
    if (!at::isfinite(tensor).all().item<bool>())
      throw InputError({file.where(), "finite values", "`" + file.tensors()[*place].name + "` with NaN or infinity",
                        "Take another file.", ""});
    return tensor;
  };
  Autoencoder autoencoder;
  const at::Tensor stored = read(plan.encoder);
  autoencoder.encoder_DF = plan.width_first ? stored : stored.t();
  autoencoder.bias_F = read(plan.bias);
  autoencoder.center_D = read(plan.center);
  autoencoder.threshold_F = read(plan.threshold);
  autoencoder.gate_bias_F = read(plan.gate_bias);
  if (plan.magnitude) autoencoder.magnitude_F = read(plan.magnitude).exp();
  autoencoder.activation = plan.activation;
  autoencoder.norm = plan.norm;
  autoencoder.k = plan.k;
  autoencoder.compared = plan.compared;
  if (plan.scale != 1) {  // (scale * x - center) W = (x - center / scale) (scale * W)
    autoencoder.encoder_DF = autoencoder.encoder_DF * plan.scale;
    if (plan.center) autoencoder.center_D = autoencoder.center_D / plan.scale;
  }
  if (plan.decoder) {
    const at::Tensor decoder = read(plan.decoder);
    const at::Tensor norm_F = decoder.size(0) == autoencoder.num_features() ? decoder.norm(2, 1) : decoder.norm(2, 0);
    autoencoder.encoder_DF = autoencoder.encoder_DF * norm_F;
    if (plan.bias) autoencoder.bias_F = autoencoder.bias_F * norm_F;
  }
  return autoencoder;
}

namespace {

at::Tensor normed(const at::Tensor& rows_ND, InputNorm norm) {
  constexpr double kEpsilon = 1e-5;
  switch (norm) {
    case InputNorm::unit:
      return rows_ND * (std::sqrt(static_cast<double>(rows_ND.size(1))) / rows_ND.norm(2, 1, true));
    case InputNorm::standard: {
      const at::Tensor around_ND = rows_ND - rows_ND.mean(1, true);
      return around_ND / (around_ND.std(1, /*unbiased=*/true, /*keepdim=*/true) + kEpsilon);
    }
    default:
      return rows_ND;
  }
}

}  // namespace

at::Tensor Autoencoder::encode(const at::Tensor& rows_ND) const {
  const at::Tensor normed_ND = normed(rows_ND, norm);
  const at::Tensor centered_ND = center_D.defined() ? normed_ND - center_D : normed_ND;
  if (activation == SaeActivation::gated) {
    const at::Tensor shared_NF = centered_ND.matmul(encoder_DF);
    return at::relu(shared_NF * magnitude_F + bias_F) * (shared_NF.detach() + gate_bias_F).gt(0);
  }
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
