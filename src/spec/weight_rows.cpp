// Which weights a model of given facts has, in what shapes (ours), and what its family calls them (theirs).
#include <string_view>

#include "distill/core/error.h"
#include "distill/spec/spec.h"

#include "families.h"

namespace distill {

std::string with_layer(std::string_view pattern, const std::string& layer) {
  constexpr std::string_view kLayer = "{l}";
  const size_t at = pattern.find(kLayer);
  std::string name(pattern);
  return at == pattern.npos ? name : name.replace(at, kLayer.size(), layer);
}

namespace {

// A checkpoint of the bare model has no prefix.
std::string canonical(const Family& family, Task task, const std::string& name) {
  const std::string_view prefix = family.base_prefix;
  return task == Task::embedding && name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

// Collects the rows of one model; a pattern with `{l}` is taken for the block `layer_`.
class RowList {
 public:
  explicit RowList(const ModelSpec& spec) : family_(family_of(spec)), spec_(spec) {}

  void block(int64_t layer) { layer_ = std::to_string(layer); }
  void matrix(const std::string& ours, int64_t out, int64_t in, bool bias) {
    add(ours + ".weight", {out, in});
    if (bias) add(ours + ".bias", {out});
  }
  void norm(const std::string& ours) {
    add(ours + ".weight", {spec_.hidden_size});
    if (spec_.norm == NormKind::layer) add(ours + ".bias", {spec_.hidden_size});
  }
  void vector(const std::string& ours, int64_t size) { add(ours, {size}); }
  void carry_from(size_t first) {
    for (size_t i = first; i < rows_.size(); ++i) rows_[i].carried = true;
  }
  [[nodiscard]] size_t size() const { return rows_.size(); }
  [[nodiscard]] bool names(std::string_view ours) const {
    for (const WeightName& name : family_.names())
      if (ours == name.ours) return true;
    return false;
  }
  std::vector<WeightRow> take() { return std::move(rows_); }

 private:
  void add(const std::string& ours, std::vector<int64_t> shape) {
    for (const WeightName& name : family_.names()) {
      if (ours != name.ours) continue;
      const bool matrix = shape.size() == 2;
      if (matrix && name.transform == WeightTransform::transpose) std::swap(shape[0], shape[1]);
      rows_.push_back({with_layer(ours, layer_), canonical(family_, spec_.task, with_layer(name.theirs, layer_)),
                       std::move(shape), name.transform, matrix});
      return;
    }
    throw Bug("the family " + spec_.architecture + " has no name for the weight " + ours);
  }

  const Family& family_;
  const ModelSpec& spec_;
  std::string layer_;
  std::vector<WeightRow> rows_;
};

void add_attention(RowList& rows, const ModelSpec& spec) {
  const int64_t D = spec.hidden_size, HK = spec.num_heads * spec.head_size, GK = spec.num_kv_heads * spec.head_size;
  if (spec.qkv == QkvLayout::separate) {
    rows.matrix("layers.{l}.attention.q", HK, D, spec.qkv_bias);
    rows.matrix("layers.{l}.attention.k", GK, D, spec.qkv_bias);
    rows.matrix("layers.{l}.attention.v", GK, D, spec.qkv_bias);
  } else {
    rows.matrix("layers.{l}.attention.qkv", HK + 2 * GK, D, spec.qkv_bias);
  }
  rows.matrix("layers.{l}.attention.out", D, HK, spec.attention_out_bias);
  if (!spec.qk_norm) return;
  rows.vector("layers.{l}.attention.q_norm.weight", spec.head_size);
  rows.vector("layers.{l}.attention.k_norm.weight", spec.head_size);
}

void add_mlp(RowList& rows, const ModelSpec& spec) {
  const int64_t D = spec.hidden_size, F = spec.intermediate_size;
  if (spec.fused_gate_up) {
    rows.matrix("layers.{l}.mlp.gate_up", 2 * F, D, spec.mlp_bias);
  } else {
    if (spec.gated_mlp) rows.matrix("layers.{l}.mlp.gate", F, D, spec.mlp_bias);
    rows.matrix("layers.{l}.mlp.up", F, D, spec.mlp_bias);
  }
  rows.matrix("layers.{l}.mlp.down", D, F, spec.mlp_bias);
}

void add_block(RowList& rows, const ModelSpec& spec) {
  const bool before = spec.placement != NormPlacement::post;
  const bool after = spec.placement != NormPlacement::pre;
  if (before) rows.norm("layers.{l}.attention_norm");
  add_attention(rows, spec);
  if (after) rows.norm("layers.{l}.attention_post_norm");
  if (before && !spec.shared_norm) rows.norm("layers.{l}.mlp_norm");
  add_mlp(rows, spec);
  if (after) rows.norm("layers.{l}.mlp_post_norm");
}

void add_embeddings(RowList& rows, const ModelSpec& spec) {
  rows.matrix("embedding", spec.vocab_size, spec.hidden_size, false);
  if (spec.position == PositionKind::learned) rows.matrix("position_embedding", spec.max_positions, spec.hidden_size, false);
  if (spec.num_token_types > 0) rows.matrix("token_type_embedding", spec.num_token_types, spec.hidden_size, false);
  if (spec.embedding_norm) rows.norm("embedding_norm");
}

void add_vocabulary_head(RowList& rows, const ModelSpec& spec) {
  if (spec.head_transform) {
    rows.matrix("head_transform", spec.hidden_size, spec.hidden_size, true);
    rows.norm("head_norm");
  }
  if (!spec.tie_embeddings) return rows.matrix("head", spec.vocab_size, spec.hidden_size, spec.head_bias);
  // The bias of a tied head may have a name of its own.
  if (spec.head_bias) rows.vector(rows.names("tied_head.bias") ? "tied_head.bias" : "head.bias", spec.vocab_size);
}

void add_head(RowList& rows, const ModelSpec& spec) {
  const bool classifies = spec.task == Task::sequence_classification;
  const size_t first = rows.size();
  if (spec.pooler || spec.carries_pooler) rows.matrix("pooler", spec.hidden_size, spec.hidden_size, true);
  if (spec.carries_pooler) rows.carry_from(first);
  if (classifies) return rows.matrix("classifier", spec.num_classes, spec.hidden_size, true);
  if (spec.task != Task::embedding) add_vocabulary_head(rows, spec);
}

bool is_head(std::string_view ours) {
  for (const std::string_view part : {"head", "tied_head", "next_sentence_head", "pooler", "classifier"})
    if (ours.starts_with(part)) return true;
  return false;
}

// The older names of what a layer norm learns.
std::string with_greek_ending(const std::string& name) {
  for (const auto& [end, old_end] :
       {std::pair("LayerNorm.weight", "LayerNorm.gamma"), std::pair("LayerNorm.bias", "LayerNorm.beta")})
    if (name.ends_with(end)) return name.substr(0, name.size() - std::string_view(end).size()) + old_end;
  return "";
}

}  // namespace

std::vector<WeightRow> weight_rows(const ModelSpec& spec) {
  RowList rows(spec);
  add_embeddings(rows, spec);
  for (int64_t l = 0; l < spec.num_layers; ++l) {
    rows.block(l);
    add_block(rows, spec);
  }
  if (spec.final_norm) rows.norm("final_norm");
  add_head(rows, spec);
  return rows.take();
}

std::vector<std::string> checkpoint_names(const ModelSpec& spec, const WeightRow& row) {
  const Family& family = family_of(spec);
  const std::string prefix = family.base_prefix;
  std::vector<std::string> names{row.theirs};
  for (const WeightName& name : family.names())
    if (name.also && row.ours == name.ours) names.emplace_back(name.also);
  // A bare model's file in a whole model's place, and the other way round.
  if (row.theirs.starts_with(prefix)) {
    names.push_back(row.theirs.substr(prefix.size()));
  } else if (spec.task == Task::embedding) {
    names.push_back(prefix + row.theirs);
  }
  for (size_t i = 0, count = names.size(); i < count; ++i)
    if (std::string old_name = with_greek_ending(names[i]); !old_name.empty()) names.push_back(std::move(old_name));
  return names;
}

Surplus kind_of_surplus(const ModelSpec& spec, const std::string& name) {
  const Family& family = family_of(spec);
  for (const std::string_view end : family.buffers)
    if (name.ends_with(end)) return Surplus::buffer;
  const std::string prefix = family.base_prefix;
  for (const WeightName& one : family.names()) {
    const std::string_view ours = one.ours, theirs = one.theirs;
    if (!is_head(ours)) continue;
    const bool same = name == theirs || prefix + name == theirs || (one.also && name == one.also) ||
                      with_greek_ending(std::string(theirs)) == name;
    if (!same) continue;
    const bool of_vocabulary = spec.head_width() == spec.vocab_size && spec.task != Task::sequence_classification;
    return of_vocabulary && spec.tie_embeddings && ours == "head.weight" ? Surplus::tied_head : Surplus::other_head;
  }
  return Surplus::foreign;
}

}  // namespace distill
