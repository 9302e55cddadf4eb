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
  std::map<std::string, at::Tensor> golden_ = read_tensors(data_folder() / GetParam() / "golden.safetensors");

  Document sequence(int index) const {
    const at::Tensor ids = golden_.at("ids." + std::to_string(index));
    return {ids.const_data_ptr<int64_t>(), ids.const_data_ptr<int64_t>() + ids.numel()};
  }
  bool has_sequence(int index) const { return golden_.count("ids." + std::to_string(index)) > 0; }
  const at::Tensor& expected(const char* what, int sequence, int64_t layer) const {
    return golden_.at(std::string(what) + "." + std::to_string(sequence) + "." + std::to_string(layer));
  }
  double largest_golden_gradient() const {
    double largest = 0;
    for (const auto& [name, tensor] : golden_)
      if (name.rfind("grad.", 0) == 0) largest = std::max(largest, tensor.abs().max().item<double>());
    return largest;
  }
  void compare(at::ScalarType dtype, bool with_maps);
};

std::string answer_name(const ModelSpec& spec, int sequence) {
  return (spec.task == Task::embedding ? "embedding." : "logits.") + std::to_string(sequence);
}

// Logits [T, V], of a classifier [C]; or the embedding [D].
at::Tensor answer(const ForwardOutput& output, const ModelSpec& spec) {
  if (spec.task == Task::embedding) return output.embedding_BD[0];
  const at::Tensor logits = output.logits_BTV()[0];
  return spec.task == Task::sequence_classification ? logits[0] : logits;
}

void Goldens::compare(at::ScalarType dtype, bool with_maps) {
  LoadOptions options;
  options.dtype = dtype;
  const Transformer model = load_case(GetParam(), options);
  Needs needs = all_needs(model.spec());
  if (!with_maps) needs.attention_layers.clear();
  for (int i = 0; has_sequence(i); ++i) {
    const ForwardOutput output = model.forward(make_batch({{sequence(i)}}), needs, {});
    EXPECT_LT(relative_error(answer(output, model.spec()), golden_.at(answer_name(model.spec(), i))), kTolerance)
        << "sequence " << i;
    for (int64_t l : needs.hidden_layers)
      EXPECT_LT(relative_error(output.hidden_BTD.at(l)[0], expected("hidden", i, l)), kTolerance) << "hidden " << l;
    for (int64_t l : needs.attention_layers)
      EXPECT_LT(relative_error(output.attention_BHTT.at(l)[0], expected("attention", i, l - 1)), kTolerance) << "map " << l;
  }
}

TEST_P(Goldens, EverySignalEqualsTransformers) { compare(at::kFloat, true); }
TEST_P(Goldens, TheFusedAttentionPathEqualsTransformers) { compare(at::kFloat, false); }
TEST_P(Goldens, Float64WeightsGiveTheSame) { compare(at::kDouble, false); }

at::Tensor encoder_loss(const ForwardOutput& output, const ModelSpec& spec, const at::Tensor& targets) {
  const at::Tensor found = answer(output, spec);
  if (spec.task == Task::embedding) return (found * targets).sum();
  return at::cross_entropy_loss(found, targets);
}

TEST_P(Goldens, GradientsEqualTransformers) {
  bool any = false;
  for (const auto& entry : golden_) any = any || entry.first.rfind("grad.", 0) == 0;
  if (!any) return;  // one case per family and kind of weight has them
  LoadOptions options;
  options.trainable = true;
  const Transformer model = load_case(GetParam(), options);
  const TokenBatch batch = make_batch({{sequence(0)}});
  const ForwardOutput output = model.forward(batch, all_needs(model.spec()), {});
  backward(model.spec().causal ? cross_entropy_sum(output, batch) / static_cast<double>(batch.num_kept)
                               : encoder_loss(output, model.spec(), golden_.at("targets.0")));
  const double largest = largest_golden_gradient();
  for (const auto& [name, grad] : gradients(model)) {
    if (model.spec().carries_pooler && name.rfind("pooler.", 0) == 0) {
      EXPECT_FALSE(grad.defined()) << name;
      continue;
    }
    ASSERT_TRUE(grad.defined()) << name;
    const at::Tensor& expected = golden_.at("grad." + golden_name(name));
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
