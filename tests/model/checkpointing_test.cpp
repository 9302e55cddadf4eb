// Recomputation: the same bits, fewer bytes, and no more work than needed.
#include "distill/model/checkpointing.h"

#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include "distill/core/error.h"
#include "distill/tensor/autocast.h"

#include "model/support.h"

using namespace distill;
using namespace distill::testing_model;

namespace {

ModelSpec trained_spec() {
  ModelSpec spec = small_spec();
  spec.num_layers = 3;
  spec.layers.assign(3, {});
  return spec;
}

ForwardOptions with(Recompute recompute) {
  ForwardOptions options;
  options.recompute = recompute;
  return options;
}

ForwardOptions with_dropout(Recompute recompute) {
  ForwardOptions options = with(recompute);
  options.train = true;
  options.attention_dropout = 0.2;
  options.hidden_dropout = 0.3;
  options.embedding_dropout = 0.1;
  options.noise_key = 99;
  return options;
}

std::map<std::string, at::Tensor> gradients_of(const Transformer& model, const ForwardOptions& options, const Needs& needs = {},
                                               std::optional<at::ScalarType> autocast = {}) {
  clear_gradients(model);
  const TokenBatch batch = make_batch({{random_document(9, 31, 1), random_document(6, 31, 2)}, {random_document(12, 31, 3)}});
  at::Tensor loss;
  {
    const AutocastGuard guard(at::kCPU, autocast);
    const ForwardOutput output = model.forward(batch, needs, options);
    loss = cross_entropy_sum(output, batch);
    for (const auto& [layer, map] : output.attention_BHTT) loss = loss + map.square().sum();
    for (const auto& [layer, hidden] : output.hidden_BTD) loss = loss + hidden.sin().sum();
  }
  backward(loss);
  return gradients(model);
}

void expect_same_bits(const std::map<std::string, at::Tensor>& found, const std::map<std::string, at::Tensor>& expected) {
  for (const auto& [name, grad] : expected) {
    ASSERT_EQ(found.at(name).defined(), grad.defined()) << name;
    if (!grad.defined()) continue;
    EXPECT_TRUE(at::equal(found.at(name), grad)) << name;
  }
}

class Recomputing : public ::testing::TestWithParam<Recompute> {};

TEST_P(Recomputing, GradientsAreTheSameBits) {
  const Transformer model = Transformer::from_weights(trained_spec(), weights_for(trained_spec(), at::kFloat));
  expect_same_bits(gradients_of(model, with(GetParam())), gradients_of(model, with(Recompute::none)));
}
TEST_P(Recomputing, GradientsAreTheSameBitsWithDropout) {
  const Transformer model = Transformer::from_weights(trained_spec(), weights_for(trained_spec(), at::kFloat));
  const auto expected = gradients_of(model, with_dropout(Recompute::none));
  expect_same_bits(gradients_of(model, with_dropout(GetParam())), expected);
  ForwardOptions other_noise = with_dropout(GetParam());
  other_noise.noise_key = 100;
  EXPECT_FALSE(at::equal(gradients_of(model, other_noise).begin()->second, expected.begin()->second));
}
TEST_P(Recomputing, GradientsAreTheSameBitsUnderAutocastThatEndsBeforeTheBackwardPass) {
  const Transformer model = Transformer::from_weights(trained_spec(), weights_for(trained_spec(), at::kFloat));
  const auto expected = gradients_of(model, with(Recompute::none), {}, at::kBFloat16);
  expect_same_bits(gradients_of(model, with(GetParam()), {}, at::kBFloat16), expected);
  EXPECT_FALSE(at::equal(gradients_of(model, with(GetParam())).begin()->second, expected.begin()->second));
}
TEST_P(Recomputing, GradientsOfMapsAndHiddenStatesAreTheSameBits) {
  const Transformer model = Transformer::from_weights(trained_spec(), weights_for(trained_spec(), at::kFloat));
  const Needs needs = all_needs(model.spec());
  expect_same_bits(gradients_of(model, with(GetParam()), needs), gradients_of(model, with(Recompute::none), needs));
}
TEST_P(Recomputing, BlocksTrainBehindFrozenEmbeddings) {
  Transformer model = Transformer::from_weights(trained_spec(), weights_for(trained_spec(), at::kFloat));
  model.freeze({"embeddings"});
  const auto found = gradients_of(model, with(GetParam()));
  EXPECT_FALSE(found.at("hf.embedding.weight").defined());
  EXPECT_TRUE(found.at("hf.layers.0.attention.q.weight").defined());
  expect_same_bits(found, gradients_of(model, with(Recompute::none)));
}
TEST_P(Recomputing, AGraphCanBeWalkedTwice) {
  const Transformer model = Transformer::from_weights(trained_spec(), weights_for(trained_spec()));
  const TokenBatch batch = make_batch({{random_document(9, 31, 1)}});
  const at::Tensor loss = cross_entropy_sum(model.forward(batch, {}, with(GetParam())), batch);
  torch::autograd::backward({loss}, {}, /*retain_graph=*/true);
  const at::Tensor once = model.parameters()[3].tensor.grad().clone();
  torch::autograd::backward({loss}, {});
  EXPECT_LT(relative_error(model.parameters()[3].tensor.grad(), 2 * once), 1e-14);
}
INSTANTIATE_TEST_SUITE_P(Model, Recomputing, ::testing::Values(Recompute::selective, Recompute::full),
                         [](const auto& info) { return info.param == Recompute::full ? "full" : "selective"; });

TEST(Checkpointing, EveryBlockRunsAgainExactlyOnce) {
  const Transformer model = Transformer::from_weights(trained_spec(), weights_for(trained_spec()));
  for (const auto& [recompute, blocks] : {std::pair{Recompute::none, 0}, {Recompute::selective, 0}, {Recompute::full, 3}}) {
    const int64_t before = num_recomputed_blocks();
    gradients_of(model, with(recompute));
    EXPECT_EQ(num_recomputed_blocks() - before, blocks);
  }
}

// Matrix products of this thread while it lives.
class ProductCounter {
 public:
  ProductCounter() {
    count = 0;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback([](const at::RecordFunction& function) {
      const std::string name = function.name();
      if (name == "aten::mm" || name == "aten::addmm") ++count;
      return std::unique_ptr<at::ObserverContext>();
    }));
  }
  ~ProductCounter() { at::removeCallback(handle_); }
  static int64_t count;

 private:
  at::CallbackHandle handle_;
};
int64_t ProductCounter::count = 0;

int64_t products_in_backward(const Transformer& model, Recompute recompute) {
  const TokenBatch batch = make_batch({{random_document(9, 31, 1)}});
  const at::Tensor loss = cross_entropy_sum(model.forward(batch, {}, with(recompute)), batch);
  const ProductCounter counter;
  backward(loss);
  return ProductCounter::count;
}

TEST(Checkpointing, FullRepeatsAllProductsButTheLastOfEachBlockAndSelectiveNone) {
  const Transformer model = Transformer::from_weights(trained_spec(), weights_for(trained_spec()));
  const int64_t plain = products_in_backward(model, Recompute::none);
  ASSERT_GT(plain, 0);
  EXPECT_EQ(products_in_backward(model, Recompute::selective), plain);
  EXPECT_EQ(products_in_backward(model, Recompute::full), plain + 3 * 6);  // q k v out gate up, not down
}

// Bytes that this thread allocated and has not freed.
class ByteCounter : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override { alive += bytes; }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t alive = 0;
};

int64_t bytes_kept_for_backward(const Transformer& model, const TokenBatch& batch, Recompute recompute) {
  const auto counter = std::make_shared<ByteCounter>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, counter);
  const at::Tensor end = model.forward(batch, {}, with(recompute)).final_hidden_BTD.sum();
  return counter->alive;
}

TEST(Checkpointing, KeptBytesFallAtAThousandTokens) {
  ModelSpec spec = trained_spec();
  spec.hidden_size = 32;
  spec.intermediate_size = 88;
  spec.head_size = 8;
  spec.rope.rotary_size = 8;
  spec.num_heads = spec.num_kv_heads = 4;
  const Transformer model = Transformer::from_weights(spec, weights_for(spec, at::kFloat));
  const TokenBatch batch = make_batch({{random_document(1024, 31, 1)}});
  const int64_t none = bytes_kept_for_backward(model, batch, Recompute::none);
  const int64_t selective = bytes_kept_for_backward(model, batch, Recompute::selective);
  const int64_t full = bytes_kept_for_backward(model, batch, Recompute::full);
  // By count of what a block keeps for one token: full drops all but its input; selective two norms' and one activation's output.
  const int64_t dropped = 3 * 1024 * 4 * (2 * 32 + 88);
  EXPECT_LE(selective, none - dropped);
  EXPECT_GE(selective, none - dropped - 3 * 1024 * 4 * 8) << "kept tensors that only a recipe was meant to replace";
  EXPECT_LT(full, none / 5);
  RecordProperty("none", std::to_string(none));
}

TEST(Checkpointing, ASecondRunThatDiffersIsABug) {
  const at::Tensor x = at::ones({4}).set_requires_grad(true);
  int runs = 0;
  const at::Tensor y = checkpoint(
      [&runs](const at::Tensor& input) { return ++runs == 1 ? input.sin() : input.to(at::kDouble).sin().to(at::kFloat); }, x);
  EXPECT_THROW(backward(y.sum()), Bug);
}

TEST(Checkpointing, NothingIsKeptOrRepeatedWithoutGradients) {
  const at::NoGradGuard guard;
  const Transformer model = Transformer::from_weights(trained_spec(), weights_for(trained_spec(), at::kFloat));
  const TokenBatch batch = make_batch({{random_document(30, 31, 1)}});
  const auto counter = std::make_shared<ByteCounter>();
  const c10::DebugInfoGuard info(c10::DebugInfoKind::PROFILER_STATE, counter);
  const at::Tensor end = model.forward(batch, {}, with(Recompute::none)).final_hidden_BTD;
  EXPECT_LE(counter->alive, 2 * static_cast<int64_t>(end.nbytes()) + 1024);
}

}  // namespace
