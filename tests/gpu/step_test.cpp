// Whole updates on the device: mixed precision, skipping, waiting, recomputation, memory.
#include "distill/train/step.h"

#include <c10/core/CachingDeviceAllocator.h>

#include <cmath>

#include "distill/model/checkpointing.h"
#include "distill/spec/spec.h"
#include "distill/teacher/live.h"
#include "distill/tensor/autocast.h"
#include "distill/tensor/kept_cast.h"

#include "gpu/device.h"
#include "gpu/host_waits.h"
#include "model/support.h"

using namespace distill;
using namespace distill::test;
using namespace distill::testing_model;

namespace {

struct Size {
  int64_t hidden = 64, layers = 3, vocab = 211, rows = 2, length = 24;
};

Json llama(int64_t hidden, int64_t layers, int64_t vocab) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", hidden},
          {"num_hidden_layers", layers},
          {"num_attention_heads", hidden / 16},
          {"num_key_value_heads", hidden / 32},
          {"intermediate_size", 3 * hidden},
          {"vocab_size", vocab},
          {"max_position_embeddings", 4096},
          {"rms_norm_eps", 1e-6},
          {"tie_word_embeddings", true},
          {"initializer_range", 0.1}};
}

PrecisionPlan precision_of(std::optional<at::ScalarType> autocast) {
  PrecisionPlan plan;
  plan.autocast = autocast;
  plan.loss_scaling = autocast == at::kHalf;
  return plan;
}

// All that takes part in an update, made the same way for every precision.
class Rig {
 public:
  Rig(at::Device device, PrecisionPlan precision, const Size& size, const LossScaler::Options& scaling = {},
      Recompute recompute = {})
      : precision_(std::move(precision)),
        size_(size),
        student_(make(device, at::kFloat, size.hidden, 2, /*trainable=*/true)),
        teacher_(make(device, precision_.compute(), 2 * size.hidden, 1, false)),
        objective_({kl()}, shape(student_.spec()), shape(teacher_.spec()),
                   {7, at::kFloat, precision_.compute(), device, size.vocab, false}),
        optimizer_(recipe(), student_.parameters()),
        scaler_(with(scaling, precision_.loss_scaling), device),
        parts_{student_, &teacher_, objective_, optimizer_, scaler_, precision_, {}, 1.0, 7, device} {
    parts_.forward.recompute = recompute;
    if (precision_.autocast) student_.keep_casts(*precision_.autocast, recompute);  // as the program does
  }

  // Update `index`, pinned as those of a run are.
  Update update(int64_t index) const {
    std::vector<std::vector<Document>> rows;
    for (int64_t row = 0; row < size_.rows; ++row)
      rows.push_back({random_document(size_.length, size_.vocab, static_cast<uint64_t>(1 + index * size_.rows + row))});
    Update update;
    update.index = index;
    for (int copy = 0; copy < 2; ++copy) {
      TokenBatch& batch = update.micro_batches.emplace_back(make_batch(rows));
      if (parts_.device.is_cuda())
        for (at::Tensor* tensor : batch.tensors()) *tensor = tensor->pin_memory();
      update.kept_tokens += batch.num_kept;
      update.input_tokens += batch.num_tokens;
    }
    return update;
  }

  struct Figures {
    double loss = 0, norm = 0, scale = 0;
    bool skipped = false;
  };
  at::Tensor step_without_waiting(int64_t index) const { return *run_step(parts_, update(index), 3e-3); }
  Figures step(int64_t index) const {
    const at::Tensor values = step_without_waiting(index).cpu();
    const double *first = values.const_data_ptr<double>(), *last = first + values.numel() - 4;
    EXPECT_EQ(last[2], 1) << "the teacher's output is finite";
    return {first[0], last[0], last[3], last[1] != 0};
  }

  std::vector<at::Tensor> everything() const {
    std::vector<at::Tensor> copies;
    for (const NamedTensor& one : student_.parameters()) copies.push_back(one.tensor.detach().clone());
    for (const NamedTensor& one : optimizer_.state()) copies.push_back(one.tensor.clone());
    return copies;
  }
  LossScaler& scaler() { return scaler_; }
  const Transformer& student() const { return student_; }

 private:
  static Transformer make(at::Device device, at::ScalarType dtype, int64_t hidden, uint64_t seed, bool trainable,
                          const Size& size) {
    return Transformer::initialise(read_spec(llama(hidden, size.layers, size.vocab), "llama"), seed, {dtype, device, trainable});
  }
  Transformer make(at::Device device, at::ScalarType dtype, int64_t hidden, uint64_t seed, bool trainable) const {
    return make(device, dtype, hidden, seed, trainable, size_);
  }
  static TermRecipe kl() {
    TermRecipe term;
    term.function = TermFunction::kl;
    return term;
  }
  static OptimizerRecipe recipe() { return {}; }
  static ModelShape shape(const ModelSpec& spec) {
    return {spec.num_layers, spec.hidden_size, spec.num_heads, spec.head_width()};
  }
  static LossScaler::Options with(LossScaler::Options options, bool enabled) {
    options.enabled = enabled;
    return options;
  }

  PrecisionPlan precision_;
  Size size_;
  Transformer student_;
  LiveTeacher teacher_;
  Objective objective_;
  Optimizer optimizer_;
  LossScaler scaler_;
  StepParts parts_;
};

class GpuStep : public OnDevice {
 protected:
  Size size() const { return rehearsal() ? Size{64, 2, 211, 2, 16} : Size{256, 4, 32000, 4, 256}; }
  uint64_t peak_after(const std::function<void()>& work) const {
    if (device_.is_cuda()) c10::getDeviceAllocator(at::kCUDA)->resetPeakStats(device_.index());
    work();
    return peak_device_bytes(device_);
  }
};

TEST_F(GpuStep, AnOverflowSkipsTheUpdateHalvesTheScaleAndMovesNoBit_CUDA) {
  Rig rig(device_, precision_of(at::kHalf), size());
  EXPECT_FALSE(rig.step(0).skipped);
  rig.scaler().restore({std::ldexp(1.0, 100), 3});
  const std::vector<at::Tensor> before = rig.everything();
  const Rig::Figures figures = rig.step(1);
  EXPECT_TRUE(figures.skipped);
  EXPECT_EQ(figures.scale, std::ldexp(1.0, 100));
  EXPECT_EQ(rig.scaler().state().scale, std::ldexp(1.0, 99));
  EXPECT_EQ(rig.scaler().state().growth_tracker, 0);
  const std::vector<at::Tensor> after = rig.everything();
  for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(at::equal(before[i], after[i])) << i;
  rig.scaler().restore({1024, 0});
  EXPECT_FALSE(rig.step(1).skipped) << "the gradients of the skipped update are gone";
}

// A skipped update is taken again, so that both see the same data after the same number of updates.
TEST_F(GpuStep, Float16WithLossScalingFollowsTheLossOfFloat32_CUDA) {
  const int num_updates = rehearsal() ? 40 : 200;
  LossScaler::Options scaling;
  scaling.initial_scale = std::ldexp(1.0, 30);  // backs off at once
  scaling.growth_interval = rehearsal() ? 4 : 50;
  Rig wide(device_, precision_of({}), size()), narrow(device_, precision_of(at::kHalf), size(), scaling);
  double worst = 0, first = 0, last = 0, scale = scaling.initial_scale;
  int grown = 0, backed_off = 0;
  for (int i = 0; i < num_updates; ++i) {
    const double expected = wide.step(i).loss;
    Rig::Figures found;
    do {
      found = narrow.step(i);
      grown += found.scale > scale;
      backed_off += found.scale < scale;
      scale = found.scale;
    } while (found.skipped && backed_off < 60);
    ASSERT_FALSE(found.skipped) << "update " << i;
    worst = std::max(worst, std::abs(found.loss / expected - 1));
    if (i == 0) first = expected;
    last = expected;
  }
  EXPECT_LT(worst, 0.01);
  EXPECT_LT(last, first);
  EXPECT_GE(grown, 1);
  EXPECT_GE(backed_off, 1);
  int64_t copies = 0;
  for (const NamedTensor& one : narrow.student().parameters()) {
    if (!one.kept->copy().defined()) continue;
    EXPECT_TRUE(one.kept->is_current(one.tensor)) << one.name;
    EXPECT_TRUE(at::equal(one.kept->copy(), one.tensor.to(at::kHalf))) << one.name << ": the optimizer wrote both";
    ++copies;
  }
  EXPECT_GT(copies, 0);
  figure("worst_relative_loss_difference", worst);
  figure("loss_first", first);
  figure("loss_last", last);
  figure("scale_grown", grown);
  figure("scale_backed_off", backed_off);
}

TEST_F(GpuStep, NothingInAnUpdateMakesTheHostWait_CUDA) {
  for (const std::optional<at::ScalarType> autocast : {std::optional<at::ScalarType>(), std::optional(at::kHalf)}) {
    Rig rig(device_, precision_of(autocast), size());
    rig.step(0);  // libraries start, memory is taken
    const NoHostWaits no_waits;
    EXPECT_NO_THROW(rig.step_without_waiting(1));
    EXPECT_NO_THROW(ReadBack{rig.step_without_waiting(2)});
  }
}

TEST_F(GpuStep, FiguresReadBackLaterAreThoseOfTheirUpdate_CUDA) {
  Rig now(device_, precision_of({}), size()), later(device_, precision_of({}), size());
  std::vector<ReadBack> pending;
  for (int i = 0; i < 6; ++i) pending.emplace_back(later.step_without_waiting(i));
  for (int i = 0; i < 6; ++i) EXPECT_NEAR(pending[i].wait().const_data_ptr<double>()[0] / now.step(i).loss, 1, 1e-4) << i;
}

// Under autocast the recomputation runs on the engine's thread, which starts without it.
TEST_F(GpuStep, RecomputationGivesTheSameGradientsForLessMemory_CUDA) {
  for (const std::optional<at::ScalarType> autocast : {std::optional<at::ScalarType>(), std::optional(at::kHalf)}) {
    std::map<Recompute, std::map<std::string, at::Tensor>> found;
    std::map<Recompute, uint64_t> peaks;
    for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
      Rig rig(device_, precision_of(autocast), size());
      const TokenBatch batch = rig.update(0).micro_batches[0].to(device_);
      const int64_t before = num_recomputed_blocks();
      peaks[recompute] = peak_after([&] {
        ForwardOptions options;
        options.recompute = recompute;
        Needs needs;
        needs.logits = true;
        ForwardOutput output;
        {
          const AutocastGuard guard(device_, autocast);
          output = rig.student().forward(batch, needs, options);
        }
        backward(output.final_hidden_BTD.sin().sum());
      });
      if (recompute == Recompute::full) EXPECT_EQ(num_recomputed_blocks() - before, size().layers);
      for (const auto& [name, gradient] : gradients(rig.student()))
        if (gradient.defined()) found[recompute][name] = gradient.cpu();
    }
    for (const Recompute recompute : {Recompute::selective, Recompute::full})
      for (const auto& [name, expected] : found[Recompute::none])
        EXPECT_LT(far(found[recompute].at(name), expected), 1e-6) << name << (autocast ? " under autocast" : "");
    if (!device_.is_cuda()) continue;
    EXPECT_LT(peaks[Recompute::full], peaks[Recompute::none]);
    EXPECT_LT(peaks[Recompute::selective], peaks[Recompute::none]);
    const std::string type = autocast ? "float16" : "float32";
    figure(type + "_peak_mib_none", static_cast<double>(peaks[Recompute::none] >> 20));
    figure(type + "_peak_mib_selective", static_cast<double>(peaks[Recompute::selective] >> 20));
    figure(type + "_peak_mib_full", static_cast<double>(peaks[Recompute::full] >> 20));
  }
}

TEST_F(GpuStep, TheMemoryOfAnUpdateDoesNotGrow_CUDA) {
  Rig rig(device_, precision_of(at::kHalf), size());
  const uint64_t first = peak_after([&] { rig.step(0), rig.step(1); });
  const uint64_t later = peak_after([&] {
    for (int i = 2; i < (rehearsal() ? 4 : 12); ++i) rig.step(i);
  });
  EXPECT_LE(later, first);
  figure("peak_mib", static_cast<double>(later >> 20));
}

}  // namespace
