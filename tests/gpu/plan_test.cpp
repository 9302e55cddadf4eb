// The plan of an update against the bytes that its tensors take on the device. A rehearsal counts them on the CPU.
#include "gpu/device.h"
#include "plan/update_rig.h"

using namespace distill;
using namespace distill::test;

namespace {

class GpuPlan : public OnDevice {
 protected:
  UpdateCase wish(const std::string& name, bool gated) const {
    const int64_t hidden = rehearsal() ? 128 : 768, layers = rehearsal() ? 3 : 6, vocab = rehearsal() ? 1024 : 32000;
    UpdateCase wish{name, gated ? llama_shape(hidden, layers, vocab) : gpt2_shape(hidden, layers, vocab),
                    gated ? llama_shape(2 * hidden, layers, vocab, false) : gpt2_shape(2 * hidden, layers, vocab)};
    wish.rows = rehearsal() ? 4 : 8;
    wish.length = rehearsal() ? 96 : 512;
    return wish;
  }
  void expect_near(const UpdateCase& wish) const {
    const PlannedAndMeasured both = plan_and_measure(wish, device_);
    const double planned = static_cast<double>(both.plan.peak().bytes) / (1 << 20),
                 measured = static_cast<double>(both.measured) / (1 << 20);
    figure(wish.name + "_planned_mib", std::round(planned));
    figure(wish.name + "_measured_mib", std::round(measured));
    // The allowance for libraries is a fixed one, which a GPU may use or not.
    const double libraries = device_.is_cuda() ? static_cast<double>(kGpuLibraryBytes) / (1 << 20) : 0;
    EXPECT_LT(planned - libraries, 1.15 * measured) << wish.name;
    EXPECT_GT(planned, 0.85 * measured) << wish.name;
  }
};

TEST_F(GpuPlan, AnUpdateTakesTheMemoryThatIsPlanned_CUDA) {
  for (const std::optional<at::ScalarType> autocast : {std::optional<at::ScalarType>(), std::optional(at::kHalf)})
    for (const GradientCheckpointing mode :
         {GradientCheckpointing::none, GradientCheckpointing::selective, GradientCheckpointing::full}) {
      UpdateCase llama = wish(std::string(autocast ? "float16_" : "float32_") + std::string(enum_name(mode)), true);
      llama.autocast = autocast;
      llama.checkpointing = mode;
      expect_near(llama);
    }
}

TEST_F(GpuPlan, TermsThatCompareLayersAndPackedRowsAreCounted_CUDA) {
  UpdateCase layers = wish("layers", false);
  layers.terms = {TermFunction::kl, TermFunction::hidden_mse, TermFunction::attention_mse};
  layers.autocast = at::kHalf;
  expect_near(layers);
  UpdateCase packed = wish("packed", true);
  packed.documents_per_row = 4;
  packed.autocast = narrow_types().back();
  expect_near(packed);
}

}  // namespace
