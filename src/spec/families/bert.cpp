// BertForMaskedLM, BertForSequenceClassification and BertModel (for sentence embeddings): an encoder with layer norms behind each
// sublayer, learned positions and token types.
// Source: transformers, models/bert/{configuration,modeling}_bert.py.
#include "../families.h"

namespace distill {
namespace {

constexpr Architecture kArchitectures[] = {{"BertForMaskedLM", Task::masked_lm},
                                           {"BertForPreTraining", Task::masked_lm},
                                           {"BertForSequenceClassification", Task::sequence_classification},
                                           {"BertModel", Task::embedding}};
constexpr std::string_view kBuffers[] = {"embeddings.position_ids", "embeddings.token_type_ids"};

constexpr WeightName kNames[] = {
    {"embedding.weight", "bert.embeddings.word_embeddings.weight"},
    {"position_embedding.weight", "bert.embeddings.position_embeddings.weight"},
    {"token_type_embedding.weight", "bert.embeddings.token_type_embeddings.weight"},
    {"embedding_norm.weight", "bert.embeddings.LayerNorm.weight"},
    {"embedding_norm.bias", "bert.embeddings.LayerNorm.bias"},
    {"layers.{l}.attention.q.weight", "bert.encoder.layer.{l}.attention.self.query.weight"},
    {"layers.{l}.attention.q.bias", "bert.encoder.layer.{l}.attention.self.query.bias"},
    {"layers.{l}.attention.k.weight", "bert.encoder.layer.{l}.attention.self.key.weight"},
    {"layers.{l}.attention.k.bias", "bert.encoder.layer.{l}.attention.self.key.bias"},
    {"layers.{l}.attention.v.weight", "bert.encoder.layer.{l}.attention.self.value.weight"},
    {"layers.{l}.attention.v.bias", "bert.encoder.layer.{l}.attention.self.value.bias"},
    {"layers.{l}.attention.out.weight", "bert.encoder.layer.{l}.attention.output.dense.weight"},
    {"layers.{l}.attention.out.bias", "bert.encoder.layer.{l}.attention.output.dense.bias"},
    {"layers.{l}.attention_post_norm.weight", "bert.encoder.layer.{l}.attention.output.LayerNorm.weight"},
    {"layers.{l}.attention_post_norm.bias", "bert.encoder.layer.{l}.attention.output.LayerNorm.bias"},
    {"layers.{l}.mlp.up.weight", "bert.encoder.layer.{l}.intermediate.dense.weight"},
    {"layers.{l}.mlp.up.bias", "bert.encoder.layer.{l}.intermediate.dense.bias"},
    {"layers.{l}.mlp.down.weight", "bert.encoder.layer.{l}.output.dense.weight"},
    {"layers.{l}.mlp.down.bias", "bert.encoder.layer.{l}.output.dense.bias"},
    {"layers.{l}.mlp_post_norm.weight", "bert.encoder.layer.{l}.output.LayerNorm.weight"},
    {"layers.{l}.mlp_post_norm.bias", "bert.encoder.layer.{l}.output.LayerNorm.bias"},
    {"pooler.weight", "bert.pooler.dense.weight"},
    {"pooler.bias", "bert.pooler.dense.bias"},
    {"head_transform.weight", "cls.predictions.transform.dense.weight"},
    {"head_transform.bias", "cls.predictions.transform.dense.bias"},
    {"head_norm.weight", "cls.predictions.transform.LayerNorm.weight"},
    {"head_norm.bias", "cls.predictions.transform.LayerNorm.bias"},
    {"head.weight", "cls.predictions.decoder.weight"},
    {"head.bias", "cls.predictions.decoder.bias"},
    {"tied_head.bias", "cls.predictions.bias", WeightTransform::none, "cls.predictions.decoder.bias"},
    {"classifier.weight", "classifier.weight"},
    {"classifier.bias", "classifier.bias"},
    {"next_sentence_head.weight", "cls.seq_relationship.weight"},
    {"next_sentence_head.bias", "cls.seq_relationship.bias"},
};

std::span<const WeightName> names() { return kNames; }

void read_facts(ConfigReader& config, ModelSpec& spec) {
  spec.causal = false;
  spec.max_positions = config.size_or("max_position_embeddings", 512);
  spec.num_token_types = config.size_or("type_vocab_size", 2);
  spec.position = PositionKind::learned;
  spec.norm = NormKind::layer;
  spec.placement = NormPlacement::post;
  spec.embedding_norm = true;
  spec.final_norm = spec.gated_mlp = false;
  spec.qkv_bias = spec.attention_out_bias = spec.mlp_bias = spec.head_bias = true;
  spec.tie_embeddings = config.flag_or("tie_word_embeddings", true);
  spec.head_transform = spec.task == Task::masked_lm;
  if (spec.task == Task::sequence_classification) spec.pooler = Activation::tanh;
  spec.carries_pooler = spec.task == Task::embedding;
  spec.hidden_dropout = spec.embedding_dropout = config.number_or("hidden_dropout_prob", 0.1);
  spec.classifier_dropout = config.number_or("classifier_dropout", spec.hidden_dropout);
  config.must_be("position_embedding_type", "absolute");
  config.must_be("is_decoder", false);
  for (const char* unread : {"pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head",
                             "pooler_type", "directionality"})
    config.harmless(unread);  // of the first release; no code reads them
}

}  // namespace

const Family kBert = {"bert",
                      kArchitectures,
                      {.default_activation = "gelu",
                       .norm_eps = "layer_norm_eps",
                       .default_norm_eps = 1e-12,
                       .attention_dropout = "attention_probs_dropout_prob",
                       .default_attention_dropout = 0.1},
                      "bert.",
                      kBuffers,
                      read_facts,
                      names};

}  // namespace distill
