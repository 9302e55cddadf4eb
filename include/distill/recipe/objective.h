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
enum class LayerRule { uniform, last, all, pairs };
struct LayerMapping {  // written `uniform`, `last`, `all` or [[student, teacher], ...]
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
      "probabilities, each side sorted on its own, so that vocabularies may differ; "
      "cross_entropy: the labels, without the teacher; hidden_mse: mean over features; hidden_cosine: 1 - cosine; "
      "attention_mse: squared distance of attention rows, mean over heads; for the task embedding: embedding_mse, mean over "
      "features, and embedding_cosine, 1 - cosine, of the rows' vectors")
        .only({"kl", "reverse_kl", "symmetric_kl", "jsd", "skew_kl", "skew_reverse_kl", "adaptive_kl", "tvd", "logit_mse",
               "top_k_kl", "top_k_reverse_kl", "uld", "cross_entropy", "hidden_mse", "hidden_cosine", "attention_mse",
               "embedding_mse", "embedding_cosine"});
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
      "hidden and attention terms: uniform (evenly spread), last, all (equal depths), or [[student, teacher], ...]. Hidden "
      "states count "
      "as in Hugging Face: 0 = embeddings, l = output of block l; attention counts blocks from 1");
    v(&TermRecipe::positions, "positions",
      "hidden and attention terms: `kept` positions or `all` that are not padding; auto: kept for causal_lm, else all. Rows of "
      "sequence_classification and embedding have no kept positions");
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
