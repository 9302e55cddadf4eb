// Packed rows, padded rows and single documents are the same computation; documents of one row never meet.
#include "model/support.h"

using namespace distill;
using namespace distill::testing_model;

namespace {

struct Result {
  double loss;
  std::map<std::string, at::Tensor> grads;
};

Result step(const Transformer& model, const std::vector<TokenBatch>& batches) {
  clear_gradients(model);
  Result result{0, {}};
  for (const TokenBatch& batch : batches) {
    const at::Tensor loss = cross_entropy_sum(model.forward(batch, {}, {}), batch);
    backward(loss);
    result.loss += loss.item<double>();
  }
  result.grads = gradients(model);
  return result;
}

void expect_same(const Result& found, const Result& expected) {
  EXPECT_NEAR(found.loss, expected.loss, 1e-11 * std::abs(expected.loss));
  for (const auto& [name, grad] : expected.grads) EXPECT_LT(relative_error(found.grads.at(name), grad), 1e-11) << name;
}

const Document kA = random_document(9, 43, 1), kB = random_document(5, 43, 2), kC = random_document(20, 43, 3);

class Packing : public ::testing::TestWithParam<const char*> {};

TEST_P(Packing, PackedPaddedAndSingleDocumentsGiveTheSameLossAndGradient) {
  LoadOptions options;
  options.dtype = at::kDouble;
  options.trainable = true;
  const Transformer model = load_case(GetParam(), options);
  const Result single = step(model, {make_batch({{kA}}), make_batch({{kB}}), make_batch({{kC}})});
  expect_same(step(model, {make_batch({{kA}, {kB}, {kC}})}), single);
  expect_same(step(model, {make_batch({{kA, kB}, {kC}}, 31)}), single);
  expect_same(step(model, {make_batch({{kC, kB, kA}})}), single);
}

TEST_P(Packing, TheEagerPathAgreesWithTheFusedOneOnPackedRows) {
  LoadOptions options;
  options.dtype = at::kDouble;
  const Transformer model = load_case(GetParam(), options);
  const TokenBatch batch = make_batch({{kA, kB}, {kC}}, 23);
  const ForwardOutput eager = model.forward(batch, all_needs(model.spec()), {});
  const at::Tensor rows = batch.documents_BT.ge(0).unsqueeze(-1);
  EXPECT_LT(relative_error(eager.logits_BTV() * rows, model.forward(batch, {}, {}).logits_BTV() * rows), 1e-12);
  for (const auto& [layer, map_BHTT] : eager.attention_BHTT) {
    EXPECT_LT(relative_error(map_BHTT.sum(-1), rows.squeeze(-1).unsqueeze(1).expand({2, 4, 23}).to(at::kDouble)), 1e-12);
    EXPECT_EQ(map_BHTT[0].slice(1, 9, 14).slice(2, 0, 9).abs().max().item<double>(), 0) << "B looks at A";
    EXPECT_EQ(map_BHTT[0].slice(1, 14, 23).abs().max().item<double>(), 0) << "rows of padding";
  }
}

TEST_P(Packing, ChangingOneDocumentLeavesTheBitsOfTheOtherAlone) {
  const Transformer model = load_case(GetParam());
  const Document changed = random_document(9, 43, 77);
  for (const bool maps : {false, true}) {
    const Needs needs = maps ? all_needs(model.spec()) : Needs{};
    const at::Tensor before = model.forward(make_batch({{kA, kB}}), needs, {}).final_hidden_BTD;
    const at::Tensor after = model.forward(make_batch({{changed, kB}}), needs, {}).final_hidden_BTD;
    EXPECT_TRUE(at::equal(before.slice(1, 9), after.slice(1, 9)));
    EXPECT_FALSE(at::equal(before.slice(1, 0, 9), after.slice(1, 0, 9)));
  }
}

// llama_dynamic: documents of 9, 5 and 20 tokens around an original length of 16, each with frequencies of its own length.
INSTANTIATE_TEST_SUITE_P(Model, Packing, ::testing::Values("llama_plain", "llama_tied", "llama_dynamic", "qwen2_window"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
