// Real updates beside their plan: a student, a teacher, an objective and an optimizer, and the bytes that an update of them
// takes.
#pragma once

#include <c10/core/CachingDeviceAllocator.h>

#include <memory>
#include <string>
#include <vector>

#include "distill/cli/run_parts.h"
#include "distill/cli/update_facts.h"
#include "distill/plan/estimate.h"
#include "distill/teacher/live.h"
#include "distill/tensor/usage.h"
#include "distill/train/step.h"

#include "model/support.h"
#include "plan/counting_allocator.h"

namespace distill::test {

struct UpdateCase {
  std::string name;
  Json student, teacher;  // config.json
  std::vector<TermFunction> terms = {TermFunction::kl};
  std::optional<at::ScalarType> autocast = {};
  GradientCheckpointing checkpointing = GradientCheckpointing::none;
  int64_t rows = 6, length = 160;
  int64_t documents_per_row = 1;
  std::vector<std::string> freeze = {};
  double attention_dropout = 0;
};

class UpdateRig {
 public:
  UpdateRig(UpdateCase wish, at::Device device)
      : case_(std::move(wish)),
        device_(device),
        student_(Transformer::initialise(read_spec(case_.student, "student"), 1, {at::kFloat, device, /*trainable=*/true})),
        teacher_(Transformer::initialise(read_spec(case_.teacher, "teacher"), 2, {teacher_dtype(), device, false})),
        precision_(precision()),
        terms_(term_recipes(case_.terms)),
        objective_(terms_, shape_of(student_.spec()), shape_of(teacher_.spec()),
                   {7, at::kFloat, precision_.compute(), device, student_.spec().vocab_size, !student_.spec().causal}),
        optimizer_({}, trained()),
        scaler_({.enabled = precision_.loss_scaling}, device),
        parts_{student_, &teacher_, objective_, optimizer_, scaler_, precision_, forward(), 1.0, 7, device} {}

  UpdateFacts facts() const {
    UpdateFacts facts = update_facts({student_.spec(), teacher_.spec(), teacher_dtype(), terms_, objective_,
                                      student_.spec().vocab_size, precision_, facts_of(device_), is_packed()});
    facts.rows = case_.rows;
    facts.length = case_.length;
    facts.kept_rows = case_.rows * (case_.length - case_.documents_per_row);
    facts.freeze = case_.freeze;
    facts.attention_dropout = case_.attention_dropout;
    facts.checkpointing = case_.checkpointing;
    return facts;
  }

  // Of the tensors on the device in the second update; what other cases have left there is not counted.
  uint64_t measure(uint64_t before) {
    step(0);
    if (device_.is_cuda())
      c10::getDeviceAllocator(at::kCUDA)->resetPeakStats(device_.index());
    else
      CountingAllocator::get().reset_peak();
    step(1);
    return (device_.is_cuda() ? peak_device_bytes(device_) : CountingAllocator::get().peak_bytes()) - before;
  }

 private:
  bool is_packed() const { return case_.documents_per_row > 1 || !student_.spec().causal; }
  at::ScalarType teacher_dtype() const {
    return device_.is_cuda() ? case_.autocast.value_or(at::kFloat) : at::kFloat;  // as `dtype: auto`
  }
  PrecisionPlan precision() const {
    PrecisionPlan plan;
    plan.autocast = case_.autocast;
    plan.loss_scaling = case_.autocast == at::kHalf;
    return plan;
  }
  static std::vector<TermRecipe> term_recipes(const std::vector<TermFunction>& functions) {
    std::vector<TermRecipe> terms(functions.size());
    for (size_t i = 0; i < functions.size(); ++i) terms[i].function = functions[i];
    return terms;
  }
  std::vector<NamedTensor> trained() {
    student_.freeze(case_.freeze);
    if (precision_.autocast) student_.keep_casts(*precision_.autocast, forward().recompute);
    std::vector<NamedTensor> trained = student_.parameters();
    trained.insert(trained.end(), objective_.parameters().begin(), objective_.parameters().end());
    return trained;
  }
  ForwardOptions forward() const {
    ForwardOptions options;
    options.attention_dropout = case_.attention_dropout;
    options.recompute = case_.checkpointing == GradientCheckpointing::full        ? Recompute::full
                        : case_.checkpointing == GradientCheckpointing::selective ? Recompute::selective
                                                                                  : Recompute::none;
    return options;
  }

  void step(int64_t index) {
    testing_model::Rows rows;
    for (int64_t row = 0; row < case_.rows; ++row) {
      auto& documents = rows.emplace_back();
      for (int64_t d = 0; d < case_.documents_per_row; ++d)
        documents.push_back(testing_model::random_document(case_.length / case_.documents_per_row, student_.spec().vocab_size,
                                                           static_cast<uint64_t>(1 + 100 * d + 10 * index + row)));
    }
    Update update;
    update.index = index;
    const TokenBatch& batch = update.micro_batches.emplace_back(testing_model::make_batch(rows));
    update.kept_tokens = batch.num_kept;
    update.input_tokens = batch.num_tokens;
    ASSERT_TRUE(run_step(parts_, update, 1e-3).has_value());
  }

  UpdateCase case_;
  at::Device device_;
  Transformer student_;
  LiveTeacher teacher_;
  PrecisionPlan precision_;
  std::vector<TermRecipe> terms_;
  Objective objective_;
  Optimizer optimizer_;
  LossScaler scaler_;
  StepParts parts_;
};

struct PlannedAndMeasured {
  UpdateFacts facts;
  MemoryPlan plan;
  uint64_t measured = 0;
  double ratio(const MemoryPlan& other) const { return static_cast<double>(other.peak().bytes) / static_cast<double>(measured); }
  double ratio() const { return ratio(plan); }
};

inline PlannedAndMeasured plan_and_measure(const UpdateCase& wish, at::Device device) {
  CountingAllocator& counting = CountingAllocator::get();
  const auto live = [&] {
    return device.is_cuda() ? static_cast<uint64_t>(
                                  c10::getDeviceAllocator(at::kCUDA)->getDeviceStats(device.index()).allocated_bytes[0].current)
                            : counting.live_bytes();
  };
  const uint64_t before = live();
  UpdateRig rig(wish, device);
  PlannedAndMeasured both{rig.facts(), {}, 0};
  both.plan = estimate_update(both.facts);
  both.measured = rig.measure(before);
  return both;
}

// Two shapes that differ in everything that takes memory: gated mlp, grouped heads and a tied head; plain mlp and learned
// positions.
inline Json llama_shape(int64_t hidden, int64_t layers, int64_t vocab, bool tied = true) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", hidden},
          {"num_hidden_layers", layers},
          {"num_attention_heads", hidden / 32},
          {"num_key_value_heads", hidden / 64},
          {"intermediate_size", 5 * hidden / 2},
          {"vocab_size", vocab},
          {"max_position_embeddings", 4096},
          {"rms_norm_eps", 1e-6},
          {"tie_word_embeddings", tied},
          {"initializer_range", 0.1}};
}
inline Json gpt2_shape(int64_t hidden, int64_t layers, int64_t vocab) {
  return {{"architectures", {"GPT2LMHeadModel"}},
          {"model_type", "gpt2"},
          {"n_embd", hidden},
          {"n_layer", layers},
          {"n_head", hidden / 32},
          {"vocab_size", vocab},
          {"n_positions", 4096},
          {"layer_norm_epsilon", 1e-5},
          {"activation_function", "gelu_new"}};
}

}  // namespace distill::test
