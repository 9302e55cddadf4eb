// Queries, keys and values that the model hands out make the attention maps that its eager path makes.
#include "distill/tensor/visibility.h"

#include "model/support.h"

using namespace distill;
using namespace distill::testing_model;

namespace {

// [B, T, G, K] -> [B, H, T, K].
at::Tensor heads_first(const at::Tensor& x_BTGK, int64_t num_heads) {
  return x_BTGK.repeat_interleave(num_heads / x_BTGK.size(2), 2).transpose(1, 2);
}

at::Tensor maps_of(const AttentionHeads& heads, const TokenBatch& batch) {
  const at::Tensor q_BHTK = heads.q_BTHK.transpose(1, 2), k_BHTK = heads_first(heads.k_BTGK, heads.q_BTHK.size(2));
  at::Tensor scores_BHTT = q_BHTK.matmul(k_BHTK.transpose(2, 3)) * heads.scale;
  if (heads.soft_cap > 0) scores_BHTT = at::tanh(scores_BHTT / heads.soft_cap) * heads.soft_cap;
  const at::Tensor t = at::arange(batch.length(), at::kLong);
  const at::Tensor same_BTT = batch.documents_BT.unsqueeze(2).eq(batch.documents_BT.unsqueeze(1));
  const at::Tensor seen_BTT = same_BTT.logical_and(visible_keys(t, t, heads.causal, heads.window));
  const at::Tensor maps_BHTT = at::softmax(scores_BHTT.masked_fill(seen_BTT.logical_not().unsqueeze(1), -1e300), -1);
  return maps_BHTT * batch.documents_BT.ge(0).unsqueeze(1).unsqueeze(3);
}

class Heads : public ::testing::TestWithParam<const char*> {};

TEST_P(Heads, MakeTheMapsOfTheEagerPathWhileTheModelStaysFused) {
  LoadOptions options;
  options.dtype = at::kDouble;
  const Transformer model = load_case(GetParam(), options);
  const Document a = random_document(9, 43, 1), b = random_document(5, 43, 2), c = random_document(20, 43, 3);
  const TokenBatch batch = make_batch({{a, b}, {c}}, 23);
  Needs heads, maps;
  for (int64_t layer = 1; layer <= model.spec().num_layers; ++layer) {
    heads.head_layers.insert(layer);
    maps.attention_layers.insert(layer);
  }
  const ForwardOutput found = model.forward(batch, heads, {}), expected = model.forward(batch, maps, {});
  EXPECT_TRUE(found.attention_BHTT.empty());
  EXPECT_TRUE(expected.heads.empty());
  ASSERT_EQ(static_cast<int64_t>(found.heads.size()), model.spec().num_layers);
  for (const auto& [layer, one] : found.heads) {
    EXPECT_EQ(one.v_BTGK.sizes(), one.k_BTGK.sizes());
    EXPECT_LT(relative_error(maps_of(one, batch), expected.attention_BHTT.at(layer)), 1e-12) << layer;
  }
  const at::Tensor plain = model.forward(batch, {}, {}).final_hidden_BTD;
  EXPECT_TRUE(at::equal(found.final_hidden_BTD, plain)) << "asking for heads changes nothing";
}

INSTANTIATE_TEST_SUITE_P(Model, Heads,
                         ::testing::Values("llama_grouped", "llama_dynamic", "qwen2_window", "qwen3_plain", "gemma2_plain",
                                           "gemma3_scaled", "gpt2_unscaled", "gpt_neox_parallel", "gptj_plain", "phi3_plain",
                                           "bert_masked", "distilbert_embedding"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
