// DistilBertForMaskedLM, DistilBertForSequenceClassification and DistilBertModel (for sentence embeddings): BERT without token
// types and without its pooler.
// Source: transformers, models/distilbert/{configuration,modeling}_distilbert.py.
#include "../families.h"

namespace distill {
namespace {

constexpr Architecture kArchitectures[] = {{"DistilBertForMaskedLM", Task::masked_lm},
                                           {"DistilBertForSequenceClassification", Task::sequence_classification},
                                           {"DistilBertModel", Task::embedding}};

constexpr WeightName kNames[] = {
    {"embedding.weight", "distilbert.embeddings.word_embeddings.weight"},
    {"position_embedding.weight", "distilbert.embeddings.position_embeddings.weight"},
    {"embedding_norm.weight", "distilbert.embeddings.LayerNorm.weight"},
    {"embedding_norm.bias", "distilbert.embeddings.LayerNorm.bias"},
    {"layers.{l}.attention.q.weight", "distilbert.transformer.layer.{l}.attention.q_lin.weight"},
    {"layers.{l}.attention.q.bias", "distilbert.transformer.layer.{l}.attention.q_lin.bias"},
    {"layers.{l}.attention.k.weight", "distilbert.transformer.layer.{l}.attention.k_lin.weight"},
    {"layers.{l}.attention.k.bias", "distilbert.transformer.layer.{l}.attention.k_lin.bias"},
    {"layers.{l}.attention.v.weight", "distilbert.transformer.layer.{l}.attention.v_lin.weight"},
    {"layers.{l}.attention.v.bias", "distilbert.transformer.layer.{l}.attention.v_lin.bias"},
    {"layers.{l}.attention.out.weight", "distilbert.transformer.layer.{l}.attention.out_lin.weight"},
    {"layers.{l}.attention.out.bias", "distilbert.transformer.layer.{l}.attention.out_lin.bias"},
    {"layers.{l}.attention_post_norm.weight", "distilbert.transformer.layer.{l}.sa_layer_norm.weight"},
    {"layers.{l}.attention_post_norm.bias", "distilbert.transformer.layer.{l}.sa_layer_norm.bias"},
    {"layers.{l}.mlp.up.weight", "distilbert.transformer.layer.{l}.ffn.lin1.weight"},
    {"layers.{l}.mlp.up.bias", "distilbert.transformer.layer.{l}.ffn.lin1.bias"},
    {"layers.{l}.mlp.down.weight", "distilbert.transformer.layer.{l}.ffn.lin2.weight"},
    {"layers.{l}.mlp.down.bias", "distilbert.transformer.layer.{l}.ffn.lin2.bias"},
    {"layers.{l}.mlp_post_norm.weight", "distilbert.transformer.layer.{l}.output_layer_norm.weight"},
    {"layers.{l}.mlp_post_norm.bias", "distilbert.transformer.layer.{l}.output_layer_norm.bias"},
    {"head_transform.weight", "vocab_transform.weight"},
    {"head_transform.bias", "vocab_transform.bias"},
    {"head_norm.weight", "vocab_layer_norm.weight"},
    {"head_norm.bias", "vocab_layer_norm.bias"},
    {"head.weight", "vocab_projector.weight"},
    {"head.bias", "vocab_projector.bias"},
    {"pooler.weight", "pre_classifier.weight"},
    {"pooler.bias", "pre_classifier.bias"},
    {"classifier.weight", "classifier.weight"},
    {"classifier.bias", "classifier.bias"},
};

std::span<const WeightName> names() { return kNames; }

void read_facts(ConfigReader& config, ModelSpec& spec) {
  spec.causal = false;
  spec.max_positions = config.size_or("max_position_embeddings", 512);
  spec.position = PositionKind::learned;
  spec.norm = NormKind::layer;
  spec.placement = NormPlacement::post;
  spec.embedding_norm = true;
  spec.final_norm = spec.gated_mlp = false;
  spec.qkv_bias = spec.attention_out_bias = spec.mlp_bias = spec.head_bias = true;
  spec.tie_embeddings = config.flag_or("tie_word_embeddings", true);
  spec.head_transform = spec.task == Task::masked_lm;
  if (spec.task == Task::sequence_classification) spec.pooler = Activation::relu;
  spec.hidden_dropout = spec.embedding_dropout = config.number_or("dropout", 0.1);
  spec.classifier_dropout = config.number_or("seq_classif_dropout", 0.2);
  config.must_be("sinusoidal_pos_embds", false);  // true keeps the positions from being trained
  config.harmless("qa_dropout");
  config.harmless("tie_weights_");
}

}  // namespace

const Family kDistilBert = {"distilbert",
                            kArchitectures,
                            {.hidden_size = "dim",
                             .intermediate_size = "hidden_dim",
                             .num_layers = "n_layers",
                             .num_heads = "n_heads",
                             .activation = "activation",
                             .default_activation = "gelu",
                             .norm_eps = nullptr,
                             .default_norm_eps = 1e-12,
                             .default_attention_dropout = 0.1},
                            "distilbert.",
                            {},
                            read_facts,
                            names};

}  // namespace distill
