// Arrangements that no family here has yet, each against a plain composition of tensor operations in float64.
#include "distill/core/error.h"
#include "distill/model/position.h"

#include "model/support.h"

using namespace distill;
using namespace distill::testing_model;

namespace {

// The reference: one document, straight from the formulas, one operation after the other.
struct Plain {
  const ModelSpec& spec;
  const WeightMap& weights;

  at::Tensor linear(const at::Tensor& x, const std::string& name) const {
    const at::Tensor bias = weights.get_or_none(name + ".bias"), y = at::matmul(x, weights.get(name + ".weight").t());
    return bias.defined() ? y + bias : y;
  }
  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    const at::Tensor weight = weights.get_or_none(name + ".weight"), bias = weights.get_or_none(name + ".bias");
    if (!weight.defined()) return x;
    if (spec.norm == NormKind::layer) {
      const at::Tensor centred = x - x.mean(-1, true);
      const at::Tensor unit = centred / (centred.square().mean(-1, true) + spec.norm_eps).sqrt();
      return bias.defined() ? unit * weight + bias : unit * weight;
    }
    const at::Tensor unit = x / (x.square().mean(-1, true) + spec.norm_eps).sqrt();
    return unit * (spec.norm == NormKind::rms_plus_one ? 1 + weight : weight);
  }
  at::Tensor act(const at::Tensor& x) const {
    switch (spec.activation) {
      case Activation::silu:
        return x * at::sigmoid(x);
      case Activation::gelu:
        return x * 0.5 * (1 + at::erf(x / std::sqrt(2.0)));
      case Activation::gelu_tanh:
        return 0.5 * x * (1 + at::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x.pow(3))));
      case Activation::relu:
        return x.clamp_min(0);
    }
    return x;
  }
  // x [T, heads, K]: channel pairs turn by position * theta^(-2i/R).
  at::Tensor rotated(const at::Tensor& x) const {
    if (spec.position != PositionKind::rotary && spec.position != PositionKind::rotary_interleaved) return x;
    const bool neighbours = spec.position == PositionKind::rotary_interleaved;
    const int64_t pairs = spec.rope.rotary_size / 2;
    std::vector<at::Tensor> channels = x.unbind(-1);
    const at::Tensor t = at::arange(x.size(0), at::kDouble).unsqueeze(1);
    const at::Tensor inverse = Rotary(spec).inverse_frequencies(0).to(at::kDouble);
    for (int64_t i = 0; i < pairs; ++i) {
      const int64_t first = neighbours ? 2 * i : i, second = neighbours ? 2 * i + 1 : i + pairs;
      const at::Tensor angle = t * inverse[i], a = channels[first], b = channels[second];
      channels[first] = a * angle.cos() - b * angle.sin();
      channels[second] = a * angle.sin() + b * angle.cos();
    }
    return at::stack(channels, -1);
  }
  at::Tensor attention(const at::Tensor& x, int64_t layer) const {
    const std::string name = "layers." + std::to_string(layer) + ".attention.";
    const int64_t T = x.size(0), H = spec.num_heads, G = spec.num_kv_heads, K = spec.head_size;
    at::Tensor q = linear(x, name + "q").view({T, H, K}), k = linear(x, name + "k").view({T, G, K});
    if (spec.qk_norm) q = norm(q, name + "q_norm"), k = norm(k, name + "k_norm");
    q = rotated(q), k = rotated(k);
    const at::Tensor v = linear(x, name + "v").view({T, G, K});
    const double scale = spec.attention_scale != 0 ? spec.attention_scale : 1 / std::sqrt(double(K));
    std::vector<at::Tensor> heads;
    for (int64_t h = 0; h < H; ++h) {
      const int64_t g = h / (H / G);
      at::Tensor scores = at::matmul(q.select(1, h), k.select(1, g).t()) * scale;
      if (spec.attention_soft_cap > 0) scores = spec.attention_soft_cap * at::tanh(scores / spec.attention_soft_cap);
      at::Tensor seen = at::ones({T, T}, at::kBool).tril();
      if (const int64_t window = spec.layers[layer].window) seen = seen.triu(1 - window);
      heads.push_back(at::matmul(at::softmax(scores.masked_fill(seen.logical_not(), -INFINITY), -1), v.select(1, g)));
    }
    return linear(at::stack(heads, 1).view({T, H * K}), name + "out");
  }
  at::Tensor mlp(const at::Tensor& x, int64_t layer) const {
    const std::string name = "layers." + std::to_string(layer) + ".mlp.";
    const at::Tensor up = linear(x, name + "up");
    return linear(spec.gated_mlp ? act(linear(x, name + "gate")) * up : act(up), name + "down");
  }
  at::Tensor block(const at::Tensor& x, int64_t layer) const {
    const std::string name = "layers." + std::to_string(layer) + ".";
    if (spec.parallel_block) {
      const at::Tensor second = spec.shared_norm ? norm(x, name + "attention_norm") : norm(x, name + "mlp_norm");
      return x + attention(norm(x, name + "attention_norm"), layer) + mlp(second, layer);
    }
    if (spec.placement == NormPlacement::post) {
      const at::Tensor middle = norm(x + attention(x, layer), name + "attention_post_norm");
      return norm(middle + mlp(middle, layer), name + "mlp_post_norm");
    }
    const at::Tensor middle = x + norm(attention(norm(x, name + "attention_norm"), layer), name + "attention_post_norm");
    return middle + norm(mlp(norm(middle, name + "mlp_norm"), layer), name + "mlp_post_norm");
  }
  at::Tensor logits(const Document& document) const {
    const at::Tensor ids = at::tensor(document, at::kLong);
    at::Tensor x = weights.get("embedding.weight").index_select(0, ids) * spec.embedding_scale;
    if (spec.position == PositionKind::learned)
      x = x + weights.get("position_embedding.weight").slice(0, 0, static_cast<int64_t>(document.size()));
    for (int64_t l = 0; l < spec.num_layers; ++l) x = block(x, l);
    const at::Tensor out = norm(x, "final_norm");
    const at::Tensor y = spec.tie_embeddings ? at::matmul(out, weights.get("embedding.weight").t()) : linear(out, "head");
    return spec.logit_soft_cap > 0 ? spec.logit_soft_cap * at::tanh(y / spec.logit_soft_cap) : y;
  }
};

// Values and gradients of the model, run three ways of recomputation, against the plain composition.
void expect_equal_to_plain(const ModelSpec& spec) {
  const WeightMap weights = weights_for(spec);
  const Transformer model = Transformer::from_weights(spec, weights);
  const Document document = random_document(11, spec.vocab_size, 4);
  const TokenBatch batch = make_batch({{document}});
  const at::Tensor expected = Plain{spec, weights}.logits(document);
  backward(expected.sin().sum());
  const auto expected_grads = gradients(model);
  for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
    clear_gradients(model);
    ForwardOptions options;
    options.recompute = recompute;
    const at::Tensor logits = model.forward(batch, {}, options).logits_BTV()[0];
    EXPECT_LT(relative_error(logits, expected), 1e-11);
    backward(logits.sin().sum());
    for (const auto& [name, grad] : gradients(model)) {
      ASSERT_TRUE(grad.defined()) << name;
      EXPECT_LT(relative_error(grad, expected_grads.at(name)), 1e-9) << name;
    }
  }
}

TEST(Arrangement, PreNormWithGroupedHeadsEqualsThePlainComposition) {
  ModelSpec spec = small_spec();
  spec.num_heads = 4;
  spec.num_kv_heads = 2;
  spec.qkv_bias = spec.attention_out_bias = spec.mlp_bias = spec.head_bias = true;
  expect_equal_to_plain(spec);
}
TEST(Arrangement, PostNormWithLayerNormsAndLearnedPositions) {
  ModelSpec spec = small_spec();
  spec.norm = NormKind::layer;
  spec.placement = NormPlacement::post;
  spec.position = PositionKind::learned;
  spec.gated_mlp = false;
  spec.activation = Activation::gelu;
  spec.final_norm = false;
  spec.tie_embeddings = true;
  expect_equal_to_plain(spec);
}
TEST(Arrangement, SandwichWithSoftCapsPlusOneNormsWindowsAndScales) {
  ModelSpec spec = small_spec();
  spec.norm = NormKind::rms_plus_one;
  spec.placement = NormPlacement::sandwich;
  spec.activation = Activation::gelu_tanh;
  spec.attention_soft_cap = 2;
  spec.logit_soft_cap = 3;
  spec.attention_scale = 0.3;
  spec.embedding_scale = std::sqrt(12.0);
  spec.layers[1].window = 4;
  spec.tie_embeddings = true;
  expect_equal_to_plain(spec);
}
TEST(Arrangement, ParallelBlocksWithPartialInterleavedRotary) {
  ModelSpec spec = small_spec();
  spec.norm = NormKind::layer;
  spec.parallel_block = spec.shared_norm = true;
  spec.position = PositionKind::rotary_interleaved;
  spec.rope.rotary_size = 4;
  spec.gated_mlp = false;
  spec.activation = Activation::relu;
  expect_equal_to_plain(spec);
}
TEST(Arrangement, ParallelBlocksWithANormForEachSublayer) {
  ModelSpec spec = small_spec();
  spec.parallel_block = true;
  expect_equal_to_plain(spec);
}
TEST(Arrangement, HeadNormsAndNoPositions) {
  ModelSpec spec = small_spec();
  spec.qk_norm = true;
  spec.position = PositionKind::none;
  expect_equal_to_plain(spec);
}
TEST(Arrangement, HeadNormsBeforePartialRotary) {
  ModelSpec spec = small_spec();
  spec.qk_norm = true;
  spec.rope.rotary_size = 4;
  expect_equal_to_plain(spec);
}

TEST(Arrangement, MoreTokensThanLearnedPositionsAreRefused) {
  ModelSpec spec = small_spec();
  spec.position = PositionKind::learned;
  const Transformer model = Transformer::from_weights(spec, weights_for(spec));
  EXPECT_THROW(model.forward(make_batch({{random_document(41, 31, 1)}}), {}, {}), InputError);
}

TEST(Arrangement, WeightsStoredTheOtherWayRoundGiveTheSame) {
  const ModelSpec spec = small_spec();
  const WeightMap weights = weights_for(spec);
  WeightMap turned;
  for (size_t i = 0; i < weights.rows().size(); ++i) {
    WeightRow row = weights.rows()[i];
    at::Tensor tensor = weights.tensor(i);
    if (row.ours.find("layers.") == 0 && row.matrix) {
      row.transform = WeightTransform::transpose;
      tensor = tensor.detach().t().contiguous().set_requires_grad(true);
    }
    turned.add(row, tensor);
  }
  const TokenBatch batch = make_batch({{random_document(8, 31, 2)}});
  const at::Tensor expected = Transformer::from_weights(spec, weights).forward(batch, {}, {}).final_hidden_BTD;
  EXPECT_LT(relative_error(Transformer::from_weights(spec, turned).forward(batch, {}, {}).final_hidden_BTD, expected), 1e-13);
}

}  // namespace
