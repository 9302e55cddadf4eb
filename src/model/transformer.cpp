// Embeddings, blocks, final norm, head: decoders and encoders alike.
#include "distill/model/transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "distill/core/error.h"
#include "distill/model/block.h"
#include "distill/model/checkpointing.h"
#include "distill/model/embedding.h"
#include "distill/model/task_head.h"
#include "distill/model/weight_map.h"
#include "distill/spec/parts.h"

namespace distill {

struct Transformer::Parts {
  ModelSpec spec;
  WeightMap weights;
  at::Tensor embedding_VD, position_embedding_PD, token_type_embedding_SD;
  Norm embedding_norm;
  Rotaries rotaries;
  std::vector<Block> blocks;
  Norm final_norm;
  TaskHead task_head;
  std::vector<NamedTensor> parameters;

  at::ScalarType wide_dtype() const { return embedding_VD.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }
  at::Tensor embed_tokens(const ForwardPass& pass) const;
  BlockOutput run_block(const Block& block, const at::Tensor& hidden_BTD, const std::shared_ptr<ForwardPass>& pass,
                        AttentionWish wish) const;
  at::Tensor finish(const at::Tensor& hidden_BTD) const;
};

namespace {

bool is_rotary(PositionKind kind) { return kind == PositionKind::rotary || kind == PositionKind::rotary_interleaved; }

std::vector<NamedTensor> parameters_of(const WeightMap& weights) {
  std::vector<NamedTensor> parameters;
  for (size_t i = 0; i < weights.rows().size(); ++i)
    parameters.push_back({weights.rows()[i].theirs, weights.tensor(i), weights.rows()[i].matrix, weights.kept(i)});
  return parameters;
}

}  // namespace

Transformer::Transformer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Transformer::Transformer(Transformer&&) noexcept = default;
Transformer& Transformer::operator=(Transformer&&) noexcept = default;
Transformer::~Transformer() = default;

Transformer Transformer::load(const ModelSpec& spec, const TensorSource& source, const LoadOptions& options) {
  return from_weights(spec, read_weights(spec, source, options));
}

Transformer Transformer::initialise(const ModelSpec& spec, uint64_t seed, const LoadOptions& options) {
  return from_weights(spec, fresh_weights(spec, seed, options));
}

Transformer Transformer::from_weights(const ModelSpec& spec, const WeightMap& given) {
  auto parts = std::make_unique<Parts>();
  parts->spec = spec;
  parts->weights = given;
  parts->weights.make_casts();
  const WeightMap& weights = parts->weights;
  parts->embedding_VD = weights.get("embedding.weight");
  parts->position_embedding_PD = weights.get_or_none("position_embedding.weight");
  parts->token_type_embedding_SD = weights.get_or_none("token_type_embedding.weight");
  parts->embedding_norm = make_norm(spec, weights, "embedding_norm");
  if (is_rotary(spec.position)) parts->rotaries.whole.emplace(spec);
  if (spec.local_rope) parts->rotaries.local.emplace(*spec.local_rope, spec.max_positions);
  for (int64_t layer = 0; layer < spec.num_layers; ++layer) parts->blocks.push_back(make_block(spec, weights, layer));
  parts->final_norm = make_norm(spec, weights, "final_norm");
  parts->task_head = make_task_head(spec, weights);
  parts->parameters = parameters_of(weights);
  return Transformer(std::move(parts));
}

const ModelSpec& Transformer::spec() const { return parts_->spec; }
const std::vector<NamedTensor>& Transformer::parameters() const { return parts_->parameters; }

namespace {

void check_batch(const ModelSpec& spec, const TokenBatch& batch) {
  if (spec.position == PositionKind::learned) {
    int64_t longest = 0;
    for (const auto& lengths : batch.document_lengths)
      for (int64_t length : lengths) longest = std::max(longest, length);
    if (longest > spec.max_positions)
      throw InputError({spec.architecture, "at most " + std::to_string(spec.max_positions) + " learned positions",
                        "a sequence of " + std::to_string(longest), "Shorten the sequence.", ""});
  }
}

}  // namespace

// The residual stream is float32 or wider from the first layer on, whatever the weights are stored in.
at::Tensor Transformer::Parts::embed_tokens(const ForwardPass& pass) const {
  at::Tensor hidden_BTD = embed(embedding_VD, pass.batch().ids_BT).to(wide_dtype());
  if (spec.embedding_scale != 1) hidden_BTD = hidden_BTD * spec.embedding_scale;
  if (position_embedding_PD.defined()) hidden_BTD = hidden_BTD + embed(position_embedding_PD, pass.batch().positions_BT);
  if (token_type_embedding_SD.defined()) hidden_BTD = hidden_BTD + token_type_embedding_SD.select(0, 0);
  if (embedding_norm.defined()) hidden_BTD = embedding_norm(hidden_BTD, wide_dtype());
  return pass.dropout(hidden_BTD, pass.options().embedding_dropout, embedding_site());
}

BlockOutput Transformer::Parts::run_block(const Block& block, const at::Tensor& hidden_BTD,
                                          const std::shared_ptr<ForwardPass>& pass, AttentionWish wish) const {
  if (pass->options().recompute != Recompute::full || !at::GradMode::is_enabled()) return block(hidden_BTD, *pass, wish);
  return checkpoint([&block, pass, wish](const at::Tensor& x_BTD) { return block(x_BTD, *pass, wish); }, hidden_BTD);
}

at::Tensor Transformer::Parts::finish(const at::Tensor& hidden_BTD) const {
  return final_norm.defined() ? final_norm(hidden_BTD, wide_dtype()) : hidden_BTD;
}

ForwardOutput Transformer::forward(const TokenBatch& batch, const Needs& needs, const ForwardOptions& options) const {
  const Parts& parts = *parts_;
  check_batch(parts.spec, batch);
  const auto pass = std::make_shared<ForwardPass>(parts.spec, parts.rotaries, batch, options, parts.wide_dtype());
  ForwardOutput output;
  output.head = parts.task_head.head;
  const auto note = [&](int64_t layer, const at::Tensor& hidden_BTD) {
    if (needs.hidden_layers.count(layer)) output.hidden_BTD[layer] = hidden_BTD;
  };
  at::Tensor hidden_BTD = parts.embed_tokens(*pass);
  for (const Block& block : parts.blocks) {
    note(block.layer, hidden_BTD);
    const int64_t number = block.layer + 1;
    const BlockOutput result =
        parts.run_block(block, hidden_BTD, pass, {needs.attention_layers.count(number) > 0, needs.head_layers.count(number) > 0});
    hidden_BTD = result.hidden_BTD;
    if (result.probabilities_BHTT.defined()) output.attention_BHTT[number] = result.probabilities_BHTT;
    if (result.heads.q_BTHK.defined()) output.heads[number] = block.attention.with_facts(result.heads, parts.spec.causal);
  }
  hidden_BTD = parts.finish(hidden_BTD);
  note(parts.spec.num_layers, hidden_BTD);
  output.final_hidden_BTD = parts.task_head(hidden_BTD, *pass);
  if (needs.embedding) output.embedding_BD = mean_over_tokens(hidden_BTD, *pass);
  return output;
}

void Transformer::freeze(const std::vector<std::string>& words) {
  std::vector<Complaint> complaints;
  const WeightMap& weights = parts_->weights;
  for (const std::string& word : words) {
    bool found = false;
    for (size_t i = 0; i < weights.rows().size(); ++i) {
      if (!part_holds(word, weights.rows()[i].ours)) continue;
      weights.tensor(i).set_requires_grad(false);
      found = true;
    }
    if (found) continue;
    const bool tied_head = word == "head" && parts_->spec.tie_embeddings;
    complaints.push_back(
        {"student.freeze", "`embeddings`, `head`, `norms` or `layers.N` with N below " + std::to_string(parts_->spec.num_layers),
         "`" + word + "`", tied_head ? "This model's head is its embedding: freeze `embeddings`." : "Remove or correct the word.",
         ""});
  }
  if (!complaints.empty()) throw RecipeError(std::move(complaints));
}

void Transformer::keep_casts(at::ScalarType dtype, Recompute recompute) {
  if (parts_->task_head.head.kept) parts_->task_head.head.kept->keep_as(dtype);
  if (recompute == Recompute::full) return;
  for (size_t i = 0; i < parts_->weights.rows().size(); ++i) parts_->weights.kept(i)->keep_as(dtype);
}

}  // namespace distill
