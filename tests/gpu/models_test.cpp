// Every architecture on the device against the CPU in float32, with the attention kernels that a T4 has and with all of them.
#include "gpu/device.h"
#include "model/support.h"

using namespace distill;
using namespace distill::test;
using namespace distill::testing_model;

namespace {

// sm_75 has neither flash attention nor cuDNN's.
class Kernels {
 public:
  explicit Kernels(bool all) {
    at::globalContext().setSDPUseFlash(all);
    at::globalContext().setSDPUseCuDNN(all);
  }
  ~Kernels() {
    at::globalContext().setSDPUseFlash(true);
    at::globalContext().setSDPUseCuDNN(false);  // as choose_cuda_backends() leaves it
  }
  Kernels(const Kernels&) = delete;
  Kernels& operator=(const Kernels&) = delete;
};

class GpuModels : public OnDevice {
 protected:
  // The worst distance of hidden states, answers and, when they are asked for, attention maps.
  double distance(const Transformer& here, const Transformer& there, const TokenBatch& batch, bool with_maps) const {
    Needs needs = all_needs(here.spec());
    if (!with_maps) needs.attention_layers.clear();
    if (!here.spec().causal && with_maps) needs.embedding = false;
    const ForwardOutput expected = here.forward(batch, needs, {}), found = there.forward(batch.to(device_), needs, {});
    const auto tokens = [&](const at::Tensor& x_BTD) {  // padding holds nothing to compare
      return x_BTD.size(1) == batch.length() ? x_BTD.cpu().to(at::kDouble) * batch.documents_BT.ge(0).unsqueeze(2) : x_BTD;
    };
    double worst = far(tokens(found.final_hidden_BTD), tokens(expected.final_hidden_BTD));
    for (const auto& [layer, hidden_BTD] : expected.hidden_BTD)
      worst = std::max(worst, far(tokens(found.hidden_BTD.at(layer)), tokens(hidden_BTD)));
    for (const auto& [layer, map_BHTT] : expected.attention_BHTT)
      worst = std::max(worst, far(found.attention_BHTT.at(layer), map_BHTT));
    if (here.spec().task != Task::embedding)
      worst = std::max(worst, far(tokens(found.logits_BTV()), tokens(expected.logits_BTV())));
    return worst;
  }

  std::vector<TokenBatch> batches(const ModelSpec& spec) const {
    const int64_t vocab = spec.vocab_size, longest = std::min<int64_t>(spec.max_positions, 30);
    const auto document = [&](int64_t length, uint64_t seed) { return random_document(length, vocab, seed); };
    std::vector<TokenBatch> made = {make_batch({{document(longest, 1)}, {document(longest / 2, 2)}})};
    if (spec.causal) made.push_back(make_batch({{document(9, 3), document(longest - 9, 4)}, {document(7, 5)}}));
    return made;
  }

  // Golden models are random and small: half precision is judged by the mean over all of them and by a bound that none may pass.
  void compare(at::ScalarType dtype, bool all_kernels, double bound) {
    const Kernels kernels(all_kernels);
    double worst = 0;
    std::string where;
    for (const char* name : kCases) {
      LoadOptions there{dtype, device_, false};
      const Transformer reference = load_case(name), model = load_case(name, there);
      for (const TokenBatch& batch : batches(reference.spec()))
        for (const bool with_maps : {false, true}) {
          const double found = distance(reference, model, batch, with_maps);
          EXPECT_LT(found, bound) << name << (with_maps ? " with maps" : "") << (batch.one_document_per_row ? "" : ", packed");
          if (found > worst) where = name;
          worst = std::max(worst, found);
        }
    }
    figure("worst", worst);
    figure("worst_model", where);
  }
};

TEST_F(GpuModels, Float32EqualsTheCpuWithTheKernelsOfAT4_CUDA) { compare(at::kFloat, false, 2e-4); }
TEST_F(GpuModels, Float32EqualsTheCpuWithAllKernels_CUDA) { compare(at::kFloat, true, 2e-4); }
TEST_F(GpuModels, Float16IsNearFloat32WithTheKernelsOfAT4_CUDA) { compare(at::kHalf, false, 6e-2); }
TEST_F(GpuModels, Float16IsNearFloat32WithAllKernels_CUDA) { compare(at::kHalf, true, 6e-2); }
TEST_F(GpuModels, Bfloat16IsNearFloat32WhereTheCardHasIt_CUDA) {
  if (narrow_types().size() < 2) GTEST_SKIP() << "this card does not compute in bfloat16";
  compare(at::kBFloat16, true, 3e-1);
}

// The same documents, packed into one row and each in a row of its own: [documents][T, D] and the gradients of the weights.
TEST_F(GpuModels, PackedDocumentsEqualPaddedOnesAtEveryLength_CUDA) {
  const Kernels kernels(false);
  for (const int64_t length : {64, 192, 97}) {
    ModelSpec spec = small_spec();
    spec.max_positions = length;
    const WeightMap weights = weights_for(spec, at::kFloat);
    const auto make = [&] {
      WeightMap copy;
      for (size_t i = 0; i < weights.rows().size(); ++i)
        copy.add(weights.rows()[i], weights.tensor(i).detach().to(device_).clone().requires_grad_(true));
      return Transformer::from_weights(spec, copy);
    };
    const Document first = random_document(length / 3, 31, 1), second = random_document(length - length / 3, 31, 2);
    const Transformer packed = make(), padded = make();
    const TokenBatch together = make_batch({{first, second}}).to(device_), apart = make_batch({{first}, {second}}).to(device_);
    Needs needs;
    needs.logits = true;
    const ForwardOutput one = packed.forward(together, needs, {}), two = padded.forward(apart, needs, {});
    const auto rows = [](const ForwardOutput& output, const TokenBatch& batch) {
      return output.final_hidden_BTD.flatten(0, 1).index_select(0, batch.kept_N);
    };
    EXPECT_LT(far(rows(one, together), rows(two, apart)), 1e-5) << length;
    backward(cross_entropy_sum(one, together));
    backward(cross_entropy_sum(two, apart));
    for (const auto& [name, gradient] : gradients(packed))
      EXPECT_LT(far(gradient, gradients(padded).at(name)), 1e-4) << name << " at " << length;
  }
}

}  // namespace
