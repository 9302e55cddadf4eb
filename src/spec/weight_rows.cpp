// Which weights a model of given facts has, in what shapes (ours), and what its family calls them (theirs).
#include <string_view>

#include "distill/core/error.h"
#include "distill/spec/spec.h"

#include "families.h"

namespace distill {
namespace {

constexpr std::string_view kLayer = "{l}";

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
  void vector(const std::string& ours, int64_t size) { add(ours + ".weight", {size}); }
  std::vector<WeightRow> take() { return std::move(rows_); }

 private:
  [[nodiscard]] std::string filled(std::string_view pattern) const {
    const size_t at = pattern.find(kLayer);
    std::string name(pattern);
    return at == pattern.npos ? name : name.replace(at, kLayer.size(), layer_);
  }

  void add(const std::string& ours, std::vector<int64_t> shape) {
    for (const WeightName& name : family_.names()) {
      if (ours != name.ours) continue;
      const bool matrix = shape.size() == 2;
      if (matrix && name.transform == WeightTransform::transpose) std::swap(shape[0], shape[1]);
      rows_.push_back({filled(ours), filled(name.theirs), std::move(shape), name.transform, matrix});
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
  rows.matrix("layers.{l}.attention.q", HK, D, spec.qkv_bias);
  rows.matrix("layers.{l}.attention.k", GK, D, spec.qkv_bias);
  rows.matrix("layers.{l}.attention.v", GK, D, spec.qkv_bias);
  rows.matrix("layers.{l}.attention.out", D, HK, spec.attention_out_bias);
  if (!spec.qk_norm) return;
  rows.vector("layers.{l}.attention.q_norm", spec.head_size);
  rows.vector("layers.{l}.attention.k_norm", spec.head_size);
}

void add_mlp(RowList& rows, const ModelSpec& spec) {
  const int64_t D = spec.hidden_size, F = spec.intermediate_size;
  if (spec.gated_mlp) rows.matrix("layers.{l}.mlp.gate", F, D, spec.mlp_bias);
  rows.matrix("layers.{l}.mlp.up", F, D, spec.mlp_bias);
  rows.matrix("layers.{l}.mlp.down", D, F, spec.mlp_bias);
}

void add_block(RowList& rows, const ModelSpec& spec) {
  const bool before = spec.placement != NormPlacement::post;
  const bool after = spec.placement != NormPlacement::pre;
  if (before) rows.norm("layers.{l}.attention_norm");
  add_attention(rows, spec);
  if (after) rows.norm("layers.{l}.attention_post_norm");
  if (before && !spec.parallel_block) rows.norm("layers.{l}.mlp_norm");
  add_mlp(rows, spec);
  if (after) rows.norm("layers.{l}.mlp_post_norm");
}

}  // namespace

std::vector<WeightRow> weight_rows(const ModelSpec& spec) {
  RowList rows(spec);
  rows.matrix("embedding", spec.vocab_size, spec.hidden_size, false);
  if (spec.position == PositionKind::learned) rows.matrix("position_embedding", spec.max_positions, spec.hidden_size, false);
  for (int64_t l = 0; l < spec.num_layers; ++l) {
    rows.block(l);
    add_block(rows, spec);
  }
  if (spec.final_norm) rows.norm("final_norm");
  if (!spec.tie_embeddings) rows.matrix("head", spec.vocab_size, spec.hidden_size, spec.head_bias);
  return rows.take();
}

}  // namespace distill
