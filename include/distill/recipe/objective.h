// The `objective` section of the recipe: a list of weighted terms. DESIGN section 4 gives the mathematics.
#pragma once

#include "distill/recipe/values.h"

namespace distill {

enum class TermFunction {
  kl,
  reverse_kl,
  symmetric_kl,
  jsd,
  skew_kl,
  skew_reverse_kl,
  adaptive_kl,
  tvd,
  logit_mse,
  top_k_kl,
  top_k_reverse_kl,
  uld,
  cross_entropy,
  hidden_mse,
  hidden_cosine,
  hidden_l1,
  pkd,
  attention_mse,
  attention_kl,
  minilm_attention,
  minilm_value,
  embedding_mse,
  embedding_cosine,
  gram,
  sae_features
};
template <>
struct EnumNames<TermFunction> {
  static constexpr std::pair<TermFunction, std::string_view> kNames[] = {{TermFunction::kl, "kl"},
                                                                         {TermFunction::reverse_kl, "reverse_kl"},
                                                                         {TermFunction::symmetric_kl, "symmetric_kl"},
                                                                         {TermFunction::jsd, "jsd"},
                                                                         {TermFunction::skew_kl, "skew_kl"},
                                                                         {TermFunction::skew_reverse_kl, "skew_reverse_kl"},
                                                                         {TermFunction::adaptive_kl, "adaptive_kl"},
                                                                         {TermFunction::tvd, "tvd"},
                                                                         {TermFunction::logit_mse, "logit_mse"},
                                                                         {TermFunction::top_k_kl, "top_k_kl"},
                                                                         {TermFunction::top_k_reverse_kl, "top_k_reverse_kl"},
                                                                         {TermFunction::uld, "uld"},
                                                                         {TermFunction::cross_entropy, "cross_entropy"},
                                                                         {TermFunction::hidden_mse, "hidden_mse"},
                                                                         {TermFunction::hidden_cosine, "hidden_cosine"},
                                                                         {TermFunction::hidden_l1, "hidden_l1"},
                                                                         {TermFunction::pkd, "pkd"},
                                                                         {TermFunction::attention_mse, "attention_mse"},
                                                                         {TermFunction::attention_kl, "attention_kl"},
                                                                         {TermFunction::minilm_attention, "minilm_attention"},
                                                                         {TermFunction::minilm_value, "minilm_value"},
                                                                         {TermFunction::embedding_mse, "embedding_mse"},
                                                                         {TermFunction::embedding_cosine, "embedding_cosine"},
                                                                         {TermFunction::gram, "gram"},
                                                                         {TermFunction::sae_features, "sae_features"}};
};

// Which student layer learns from which teacher layer.
enum class LayerRule { uniform, last, all, learned, pairs };
struct LayerMapping {  // written `uniform`, `last`, `all`, `learned` or [[student, teacher], ...]
  LayerRule rule = LayerRule::uniform;
  std::vector<std::pair<int64_t, int64_t>> pairs;
  bool operator==(const LayerMapping&) const = default;
};

enum class Positions { automatic, kept, all };
template <>
struct EnumNames<Positions> {
  static constexpr std::pair<Positions, std::string_view> kNames[] = {
      {Positions::automatic, "auto"}, {Positions::kept, "kept"}, {Positions::all, "all"}};
};

// Which vectors of a block a relation compares with themselves.
enum class Relation { q, k, v };
template <>
struct EnumNames<Relation> {
  static constexpr std::pair<Relation, std::string_view> kNames[] = {{Relation::q, "q"}, {Relation::k, "k"}, {Relation::v, "v"}};
};

enum class SaeActivation { automatic, relu, topk, jumprelu, gated };
template <>
struct EnumNames<SaeActivation> {
  static constexpr std::pair<SaeActivation, std::string_view> kNames[] = {{SaeActivation::automatic, "auto"},
                                                                          {SaeActivation::relu, "relu"},
                                                                          {SaeActivation::topk, "topk"},
                                                                          {SaeActivation::jumprelu, "jumprelu"},
                                                                          {SaeActivation::gated, "gated"}};
};

// A sparse autoencoder that reads a hidden state of the teacher. Empty names are looked for under those that SAELens, EleutherAI,
// OpenAI and others write (objective/autoencoder.h).
struct SaeRecipe {
  std::string path;
  std::optional<int64_t> layer;
  std::optional<int64_t> student_layer;
  SaeActivation activation = SaeActivation::automatic;
  std::optional<int64_t> k;
  std::optional<bool> center;
  std::optional<double> scale;
  std::string encoder, encoder_bias, decoder, decoder_bias, threshold;
  bool operator==(const SaeRecipe&) const = default;

  template <class Visit>
  static void fields(Visit& v) {
    v(&SaeRecipe::path, "path",
      "the autoencoder: a SAELens folder (cfg.json, sae_weights.safetensors), a safetensors file, or one of torch.save")
        .required();
    v(&SaeRecipe::layer, "layer",
      "the teacher's hidden state that it reads: 0 = embeddings, l = output of block l; default: the one that a SAELens folder "
      "names")
        .min(0)
        .max(100000);
    v(&SaeRecipe::student_layer, "student_layer",
      "the student's hidden state that learns its features; default: the one as deep in the student as `layer` in the teacher")
        .min(0)
        .max(100000);
    v(&SaeRecipe::activation, "activation",
      "relu; topk: the k strongest, and relu; jumprelu: what exceeds its feature's threshold; gated: a gate beside the strength. "
      "auto: what a SAELens folder says; else gated or jumprelu when the file has such tensors, topk when `k` is given, relu");
    v(&SaeRecipe::k, "k", "features that topk keeps; also how many the overlap in the log compares, default 32").min(1);
    v(&SaeRecipe::center, "center",
      "subtract the decoder's bias before encoding; default: yes when it is called b_dec, pre_bias or bias, or named by "
      "`decoder_bias`; no otherwise, and for jumprelu; of a SAELens folder what it says");
    v(&SaeRecipe::scale, "scale",
      "factor of the hidden states before they are encoded, for a SAELens folder whose normalize_activations is "
      "expected_average_only_in")
        .above(0);
    v(&SaeRecipe::encoder, "encoder", "name of the encoder's matrix in the file; default: W_enc, encoder.weight, ...");
    v(&SaeRecipe::encoder_bias, "encoder_bias", "name of its bias; default: b_enc, encoder.bias, latent_bias, ...");
    v(&SaeRecipe::decoder, "decoder",
      "name of the decoder's matrix, which is only measured; default: W_dec, decoder.weight, ...");
    v(&SaeRecipe::decoder_bias, "decoder_bias", "name of the decoder's bias; default: b_dec, pre_bias, bias, ...");
    v(&SaeRecipe::threshold, "threshold", "name of the thresholds of jumprelu; default: threshold");
  }
};

struct TermRecipe {
  TermFunction function = TermFunction::kl;
  std::string name;  // in the log; default: the function, then kl_2, kl_3 for repetitions
  Ramp weight = 1;
  Ramp temperature = 1;        // divides both logits
  bool t_squared = true;       // multiplies value and gradient by temperature squared
  double beta = 0.5;           // jsd
  double alpha = 0.1;          // skew_kl, skew_reverse_kl
  double ratio = 0.5;          // symmetric_kl
  int64_t top_k = 64;          // top_k_kl, top_k_reverse_kl
  double label_smoothing = 0;  // cross_entropy
  double z_loss = 0;           // cross_entropy
  LayerMapping layer_mapping;
  Positions positions = Positions::automatic;
  std::vector<Relation> relations = {Relation::v};
  AutoOr<int64_t> relation_heads;
  std::optional<double> projector_learning_rate;
  std::optional<SaeRecipe> sae;
  bool operator==(const TermRecipe&) const = default;
  static constexpr auto kShorthand = &TermRecipe::function;  // a bare word stands for {function: word}

  // True when the term's function uses the option `key`; the others may not be written beside it.
  bool reads(std::string_view key) const;

  template <class Visit>
  static void fields(Visit& v) {
    v(&TermRecipe::function, "function",
      "what is minimised, as a sum over kept tokens divided by the kept tokens of the whole update. kl: KL(teacher || student); "
      "reverse_kl: KL(student || teacher); symmetric_kl: ratio*kl + (1-ratio)*reverse_kl; jsd: beta*KL(T || M) + "
      "(1-beta)*KL(S || M) with M = beta*T + (1-beta)*S; skew_kl: KL(T || alpha*T + (1-alpha)*S); skew_reverse_kl: "
      "KL(S || alpha*S + (1-alpha)*T); adaptive_kl: kl and reverse_kl by the distance of both sides over the head (the teacher's "
      "most probable half) and the tail; tvd: half the L1 distance; logit_mse: mean over the vocabulary of the squared "
      "difference "
      "of the logits; top_k_kl, top_k_reverse_kl: the teacher's top_k entries, and the rest as one; uld: L1 distance of the "
      "probabilities, each side sorted on its own (beside cross_entropy at most, teacher and student may have different "
      "tokenizers: compared are the positions that have read the same text, and their number divides); "
      "cross_entropy: the labels, without the teacher; hidden_mse: mean over features; hidden_cosine: 1 - cosine; "
      "hidden_l1: |s - t|, mean over features; pkd: squared distance of rows scaled to length 1; gram: squared difference of the "
      "cosines between a position and the others of its document, mean over these; attention_mse: squared distance of attention "
      "rows, mean over heads; attention_kl: KL(teacher || student) of attention rows, mean over heads; minilm_attention: the "
      "same of the last layer, or of relation_heads; minilm_value: KL of relations between values (or queries, keys), mean "
      "over heads; sae_features: squared difference of a sparse autoencoder's features, mean over features; for the task "
      "embedding: embedding_mse, mean over features, and embedding_cosine, 1 - cosine, of the rows' vectors");
    v(&TermRecipe::name, "name", "the term's name in the log; default: the function, then kl_2, kl_3 for repetitions");
    v(&TermRecipe::weight, "weight",
      "factor of the term in the total, as written; may move: {from: 1, to: 0.1, over: 50%}. 0: the term is left out")
        .min(0);
    v(&TermRecipe::temperature, "temperature",
      "divides teacher's and student's logits (logits terms, not cross_entropy); may move as the weight does")
        .above(0);
    v(&TermRecipe::t_squared, "t_squared",
      "multiply value and gradient by the squared temperature (logits terms, not cross_entropy, tvd, uld)");
    v(&TermRecipe::ratio, "ratio", "symmetric_kl: share of kl; the rest is reverse_kl").min(0).max(1);
    v(&TermRecipe::top_k, "top_k", "top_k terms: the teacher's entries that are compared one by one").min(1).max(1 << 24);
    v(&TermRecipe::label_smoothing, "label_smoothing", "cross_entropy: share of the label that is spread over the vocabulary")
        .min(0)
        .below(1);
    v(&TermRecipe::z_loss, "z_loss", "cross_entropy: adds this times the squared log of the sum of exponentials of the logits")
        .min(0);
    v(&TermRecipe::beta, "beta", "jsd: share of the teacher in the mixture; 0 is kl, 1 is reverse_kl").min(0).max(1);
    v(&TermRecipe::alpha, "alpha", "skew terms: share of the first side in the mixture; 0 is kl or reverse_kl").min(0).below(1);
    v(&TermRecipe::layer_mapping, "layer_mapping",
      "hidden and attention terms: uniform (evenly spread), last (default of the minilm terms), all (equal depths), learned (of "
      "hidden states: each student layer follows a trained mix of all teacher layers), or [[student, teacher], ...]. Hidden "
      "states count as in Hugging Face: 0 = embeddings, l = output of block l; attention counts blocks from 1");
    v(&TermRecipe::positions, "positions",
      "hidden and attention terms: `kept` positions or `all` that are not padding; auto: kept for causal_lm, else all. Rows of "
      "sequence_classification and embedding have no kept positions");
    v(&TermRecipe::relations, "relations",
      "minilm_value: what is compared with itself, a list of v (values), q (queries) and k (keys); their losses are added");
    v(&TermRecipe::relation_heads, "relation_heads",
      "minilm terms: heads into which all heads side by side are cut anew; auto: the heads of both models, which must be equal")
        .min(1)
        .max(100000);
    v(&TermRecipe::projector_learning_rate, "projector_learning_rate",
      "peak of the learning rate of the term's projectors; default: optimizer.learning_rate. The schedule is the same")
        .above(0);
    v(&TermRecipe::sae, "sae", "sae_features: the sparse autoencoder, and which layers it reads");
  }
};

// The terms' names in the log, in recipe order: `name`, else the function; a second `kl` is `kl_2`, whatever the first is called.
inline std::vector<std::string> term_names(const std::vector<TermRecipe>& terms) {
  std::vector<std::string> names;
  for (size_t i = 0; i < terms.size(); ++i) {
    int repetition = 1;
    for (size_t j = 0; j < i; ++j) repetition += terms[j].function == terms[i].function;
    const std::string function(enum_name(terms[i].function));
    const std::string automatic = repetition == 1 ? function : function + "_" + std::to_string(repetition);
    names.push_back(terms[i].name.empty() ? automatic : terms[i].name);
  }
  return names;
}

}  // namespace distill
