// Logits, hidden states, attention maps and gradients against transformers (scripts/goldens/make_models.py), float32 and the
// same in float64.
#include "model/support.h"

using namespace distill;
using namespace distill::testing_model;

namespace {

constexpr double kTolerance = 2e-4;
constexpr double kNoise = 1e-6;

// transformers calls the head of GPT-NeoX by another name in memory than in files.
std::string golden_name(const std::string& name) { return name == "embed_out.weight" ? "lm_head.weight" : name; }

class Goldens : public ::testing::TestWithParam<const char*> {
 protected:
  Golden golden_{GetParam()};

  double largest_golden_gradient() const {
    double largest = 0;
    for (const auto& [name, tensor] : golden_.tensors)
      if (name.rfind("grad.", 0) == 0) largest = std::max(largest, tensor.abs().max().item<double>());
    return largest;
  }
  void compare(at::ScalarType dtype, bool with_maps);
};

void Goldens::compare(at::ScalarType dtype, bool with_maps) {
  LoadOptions options;
  options.dtype = dtype;
  const Transformer model = load_case(GetParam(), options);
  Needs needs = all_needs(model.spec());
  if (!with_maps) needs.attention_layers.clear();
  for (int i = 0; golden_.has_sequence(i); ++i) {
    const ForwardOutput output = model.forward(make_batch({{golden_.sequence(i)}}), needs, {});
    EXPECT_LT(relative_error(answer_of(output, model.spec()), golden_.answer(i, model.spec())), kTolerance) << "sequence " << i;
    for (int64_t l : needs.hidden_layers)
      EXPECT_LT(relative_error(output.hidden_BTD.at(l)[0], golden_.hidden(i, l)), kTolerance) << "hidden " << l;
    for (int64_t l : needs.attention_layers)
      EXPECT_LT(relative_error(output.attention_BHTT.at(l)[0], golden_.attention(i, l)), kTolerance) << "map " << l;
  }
}

TEST_P(Goldens, EverySignalEqualsTransformers) { compare(at::kFloat, true); }
TEST_P(Goldens, TheFusedAttentionPathEqualsTransformers) { compare(at::kFloat, false); }
TEST_P(Goldens, Float64WeightsGiveTheSame) { compare(at::kDouble, false); }

at::Tensor encoder_loss(const ForwardOutput& output, const ModelSpec& spec, const at::Tensor& targets) {
  const at::Tensor found = answer_of(output, spec);
  if (spec.task == Task::embedding) return (found * targets).sum();
  return at::cross_entropy_loss(found, targets);
}

TEST_P(Goldens, GradientsEqualTransformers) {
  bool any = false;
  for (const auto& entry : golden_.tensors) any = any || entry.first.rfind("grad.", 0) == 0;
  if (!any) return;  // one case per family and kind of weight has them
  LoadOptions options;
  options.trainable = true;
  const Transformer model = load_case(GetParam(), options);
  const TokenBatch batch = make_batch({{golden_.sequence(0)}});
  const ForwardOutput output = model.forward(batch, all_needs(model.spec()), {});
  backward(model.spec().causal ? cross_entropy_sum(output, batch) / static_cast<double>(batch.num_kept)
                               : encoder_loss(output, model.spec(), golden_.tensors.at("targets.0")));
  const double largest = largest_golden_gradient();
  for (const auto& [name, grad] : gradients(model)) {
    if (model.spec().carries_pooler && name.rfind("pooler.", 0) == 0) {
      EXPECT_FALSE(grad.defined()) << name;
      continue;
    }
    ASSERT_TRUE(grad.defined()) << name;
    const at::Tensor& expected = golden_.tensors.at("grad." + golden_name(name));
    // A softmax does not see what all its inputs share, so the true gradient of a key bias is zero: noise on both sides.
    if (expected.abs().max().item<double>() < kNoise * largest) {
      EXPECT_LT(grad.abs().max().item<double>(), kNoise * largest) << name;
      continue;
    }
    EXPECT_LT(relative_error(grad, expected), kTolerance) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Model, Goldens, ::testing::ValuesIn(kCases), [](const auto& info) { return std::string(info.param); });

}  // namespace
