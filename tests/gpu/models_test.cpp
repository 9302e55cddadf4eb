// Every architecture on the device against the CPU in float32, with the attention kernels that a T4 has and with all of them; and
// in half precision against what transformers answered in float32 (scripts/goldens/make_models.py).
#include "distill/tensor/autocast.h"

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

  // The worst distances of logits (or embeddings), hidden states and attention maps over all cases, relative to the largest value
  // of each tensor. Weights in `dtype`, as a teacher's are, or float32 under autocast, as a student's.
  void compare_with_goldens(at::ScalarType dtype, bool all_kernels, bool as_student,
                            const std::map<std::string, double>& bounds) {
    const Kernels kernels(all_kernels);
    std::map<std::string, double> worst;
    std::map<std::string, std::string> where;
    for (const char* name : kCases) {
      const Golden golden(name);
      const Transformer model = load_case(name, {as_student ? at::kFloat : dtype, device_, false});
      for (int i = 0; golden.has_sequence(i); ++i)
        for (const bool with_maps : {false, true})
          for (const auto& [what, distance] :
               distances(golden, i, model, as_student ? std::optional(dtype) : std::nullopt, with_maps)) {
            EXPECT_LT(distance, bounds.at(what)) << name << ", " << what << (with_maps ? " with maps" : "");
            if (distance >= worst[what]) worst[what] = distance, where[what] = name;
          }
    }
    const std::string who = as_student ? "student_" : "teacher_";
    for (const auto& [what, distance] : worst) figure(who + what, distance), figure(who + what + "_model", where[what]);
  }

  std::map<std::string, double> distances(const Golden& golden, int sequence, const Transformer& model,
                                          std::optional<at::ScalarType> autocast, bool with_maps) const {
    Needs needs = all_needs(model.spec());
    if (!with_maps) needs.attention_layers.clear();
    ForwardOutput output;
    {
      const AutocastGuard guard(device_, autocast);
      output = model.forward(make_batch({{golden.sequence(sequence)}}).to(device_), needs, {});
    }
    std::map<std::string, double> worst = {
        {"answers", far(answer_of(output, model.spec()), golden.answer(sequence, model.spec()))}};
    for (const int64_t l : needs.hidden_layers)
      worst["hidden_states"] = std::max(worst["hidden_states"], far(output.hidden_BTD.at(l)[0], golden.hidden(sequence, l)));
    for (const int64_t l : needs.attention_layers)
      worst["attention"] = std::max(worst["attention"], far(output.attention_BHTT.at(l)[0], golden.attention(sequence, l)));
    return worst;
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
TEST_F(GpuModels, Float16IsNearFloat32WithTheKernelsOfAT4_CUDA) { compare(at::kHalf, false, 3e-2); }
TEST_F(GpuModels, Float16IsNearFloat32WithAllKernels_CUDA) { compare(at::kHalf, true, 3e-2); }
TEST_F(GpuModels, Bfloat16IsNearFloat32WhereTheCardHasIt_CUDA) {
  if (narrow_types().size() < 2) GTEST_SKIP() << "this card does not compute in bfloat16";
  compare(at::kBFloat16, true, 3e-1);
}

const std::map<std::string, double> kHalfBounds = {{"answers", 2e-2}, {"hidden_states", 2e-2}, {"attention", 2e-2}};
const std::map<std::string, double> kBfloat16Bounds = {{"answers", 2e-1}, {"hidden_states", 2e-1}, {"attention", 2e-1}};

TEST_F(GpuModels, Float16EqualsTransformersAsTeacherAndAsStudentWithTheKernelsOfAT4_CUDA) {
  for (const bool as_student : {false, true}) compare_with_goldens(at::kHalf, false, as_student, kHalfBounds);
}
TEST_F(GpuModels, Float16EqualsTransformersAsTeacherAndAsStudentWithAllKernels_CUDA) {
  for (const bool as_student : {false, true}) compare_with_goldens(at::kHalf, true, as_student, kHalfBounds);
}
TEST_F(GpuModels, Bfloat16EqualsTransformersWhereTheCardHasIt_CUDA) {
  if (narrow_types().size() < 2) GTEST_SKIP() << "this card does not compute in bfloat16";
  for (const bool as_student : {false, true}) compare_with_goldens(at::kBFloat16, true, as_student, kBfloat16Bounds);
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
