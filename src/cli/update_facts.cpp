#include "distill/cli/update_facts.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "distill/cli/run_parts.h"
#include "distill/cli/run_plan.h"
#include "distill/core/log.h"
#include "distill/core/units.h"
#include "distill/data/task_rules.h"
#include "distill/kernels/gemm.h"
#include "distill/kernels/linear_divergence.h"
#include "distill/objective/layer_pairs.h"
#include "distill/objective/term_table.h"
#include "distill/objective/workspace.h"
#include "distill/plan/hardware.h"
#include "distill/teacher/dtype.h"
#include "distill/tensor/usage.h"

namespace distill {
namespace {

int64_t size_of(at::ScalarType dtype) { return static_cast<int64_t>(c10::elementSize(dtype)); }

ModelFacts model_facts(const ModelSpec& spec, at::ScalarType dtype, const Needs& needs) {
  return {spec, size_of(dtype), needs.hidden_layers, needs.attention_layers, needs.head_layers};
}

// Of the device itself, or of any that is no CPU, when there is none here.
at::Tensor number_on(const DeviceFacts& device, at::ScalarType dtype) {
  return at::empty({1, 1}, at::TensorOptions().dtype(dtype).device(device.is_gpu ? at::kMeta : at::kCPU));
}

LogitsFacts logits_facts(const UpdateParts& parts) {
  LogitsFacts facts;
  const Objective::WholeNeeds needs = parts.objective.whole_needs();
  if (!needs.student.logits) return facts;
  const at::ScalarType dtype = parts.precision.compute();
  const bool reads_teacher = parts.teacher && needs.teacher.logits;
  facts.marks = std::any_of(parts.terms.begin(), parts.terms.end(),
                            [](const TermRecipe& term) { return term.function == TermFunction::uld; });
  facts.vocab = parts.student.head_width();
  if (parts.vocabulary_width > 0) facts.vocab = std::min(facts.vocab, parts.vocabulary_width);
  if (reads_teacher) facts.teacher_vocab = facts.marks ? parts.teacher->head_width() : facts.vocab;
  facts.chunk_rows = chunk_rows(facts.vocab, dtype);
  facts.block_rows = block_rows(facts.chunk_rows, number_on(parts.device, dtype));
  return facts;
}

int64_t count_pairs(const TermRecipe& term, const TermFacts& facts, const UpdateParts& parts) {
  if (facts.signal == Signal::autoencoder) return 1;
  LayerRange range{facts.reads_hidden_states() ? 0 : 1, parts.student.num_layers, parts.teacher->num_layers};
  range.can_mix = facts.signal == Signal::hidden;
  std::vector<Complaint> told_already;  // by the objective
  return static_cast<int64_t>(layer_pairs(term.layer_mapping, range, "", told_already).size());
}

FeatureFacts feature_facts(const UpdateParts& parts) {
  FeatureFacts facts;
  for (const NamedTensor& one : parts.objective.parameters()) facts.trained_elements += one.tensor.numel();
  facts.tile_elements = kAttentionTileElements;
  for (const TermRecipe& term : parts.terms) {
    const TermFacts& row = term_facts(term.function);
    if (!parts.teacher || row.signal == Signal::logits || row.signal == Signal::embedding || term.weight.is_always(0)) continue;
    int64_t& pairs = row.signal == Signal::gram  ? facts.gram_pairs
                     : row.reads_hidden_states() ? facts.hidden_pairs
                                                 : facts.attention_pairs;
    pairs += count_pairs(term, row, parts);
    facts.attention_kl |= !row.reads_hidden_states() && row.distance == AttentionDistance::kl;
    facts.all_positions |= term.positions == Positions::all || (term.positions == Positions::automatic && !parts.student.causal);
  }
  facts.projected = parts.teacher && parts.student.hidden_size != parts.teacher->hidden_size;
  return facts;
}

// Grouped heads: only flash attention reads them as they are, and it knows no masks.
bool expands_keys(const UpdateParts& parts) {
  const bool flash =
      parts.device.compute_capability >= 80 && size_of(parts.precision.compute()) == 2 && !parts.packed && parts.student.causal;
  return parts.device.is_gpu && !flash;
}

}  // namespace

DeviceFacts facts_of(at::Device device) { return {device.is_cuda(), device.is_cuda() ? compute_capability(device) : 0}; }

UpdateFacts update_facts(const UpdateParts& parts) {
  const at::ScalarType compute = parts.precision.compute();
  UpdateFacts facts;
  const Objective::WholeNeeds needs = parts.objective.whole_needs();
  facts.student = model_facts(parts.student, parts.precision.master, needs.student);
  if (parts.teacher) facts.teacher = model_facts(*parts.teacher, parts.teacher_dtype, needs.teacher);
  facts.master_bytes = size_of(parts.precision.master);
  facts.compute_bytes = size_of(compute);
  facts.on_gpu = parts.device.is_gpu;
  facts.expands_keys = expands_keys(parts);
  const at::Tensor number = number_on(parts.device, parts.precision.master);
  facts.adds_in_place = gemm::adds_for_free(number, number, number);
  facts.adds_wide = parts.device.is_gpu && (compute == at::kHalf || parts.device.compute_capability >= 80);
  facts.slab_rows = gemm::kSlabRows;
  facts.packed = parts.packed;
  facts.logits = logits_facts(parts);
  facts.features = feature_facts(parts);
  return facts;
}

namespace {

// At most, of a micro-batch. Of masked tokens their share; a classifier's rows; embeddings are compared without logits.
int64_t kept_rows(const Recipe& recipe, Task task, int64_t rows, int64_t length) {
  switch (task) {
    case Task::sequence_classification:
      return rows;
    case Task::embedding:
      return 0;
    case Task::masked_lm: {
      const double share = recipe.data.mask_probability.value_or(TaskRules{}.mask_probability);
      return static_cast<int64_t>(std::ceil(share * static_cast<double>(rows * length)));
    }
    default:
      return rows * length;
  }
}

}  // namespace

int64_t compared_width(const Recipe& recipe, const ModelSpec& student, const ModelSpec& teacher) {
  const bool uld_alone = std::all_of(recipe.objective.begin(), recipe.objective.end(), [](const TermRecipe& term) {
    return term.function == TermFunction::uld || !is_logits_term(term.function) || !needs_teacher(term);
  });
  return uld_alone ? student.head_width() : std::min(student.head_width(), teacher.head_width());
}

UpdateFacts update_facts(const Recipe& recipe, const ModelSpec& student, const std::optional<ModelSpec>& teacher,
                         const Objective& objective, const PrecisionPlan& precision, const DeviceFacts& device) {
  const bool learns = std::any_of(recipe.objective.begin(), recipe.objective.end(), needs_teacher);
  const bool packed = student.task == Task::causal_lm ? recipe.data.packing : true;
  UpdateParts parts{student, {}, at::kFloat, recipe.objective, objective, 0, precision, device, packed};
  if (teacher) parts.teacher_dtype = teacher_dtype(*recipe.teacher, precision.compute(), !device.is_gpu);
  if (teacher && learns) parts.teacher = teacher;
  if (teacher) parts.vocabulary_width = compared_width(recipe, student, *teacher);
  UpdateFacts facts = update_facts(parts);
  if (teacher && !learns) facts.idle_teacher_bytes = bytes_of_weights(*teacher, size_of(parts.teacher_dtype));
  facts.rows = *recipe.train.batch_size.value;
  facts.length = recipe.data.sequence_length;
  for (const ModelSpec* spec : {&student, teacher ? &*teacher : nullptr})
    if (spec && spec->max_positions > 0) facts.length = std::min(facts.length, spec->max_positions);
  facts.kept_rows = kept_rows(recipe, student.task, facts.rows, facts.length);
  facts.freeze = recipe.student.freeze;
  facts.attention_dropout = forward_options(recipe, student, GradientCheckpointing::none).attention_dropout;
  facts.gradient_shares = recipe.train.log_gradient_share;
  facts.checkpointing = recipe.train.gradient_checkpointing;
  return facts;
}

int64_t free_bytes_on(at::Device device) {
  return device.is_cpu() ? free_host_bytes() : static_cast<int64_t>(free_device_bytes(device));
}

GradientCheckpointing choose_checkpointing(const Recipe& recipe, const ModelSpec& student,
                                           const std::optional<ModelSpec>& teacher, const Objective& objective,
                                           const PrecisionPlan& precision, at::Device device) {
  const bool is_automatic = recipe.train.gradient_checkpointing == GradientCheckpointing::automatic;
  const bool is_known = recipe.student.trust == Trust::none && (!recipe.teacher || recipe.teacher->trust == Trust::none);
  if (!is_known) return is_automatic ? GradientCheckpointing::none : recipe.train.gradient_checkpointing;
  const UpdateFacts facts = update_facts(recipe, student, teacher, objective, precision, facts_of(device));
  int64_t loaded = bytes_of_weights(student, facts.master_bytes) + facts.idle_teacher_bytes;
  if (facts.teacher) loaded += bytes_of_weights(*teacher, facts.teacher->weight_bytes);
  const int64_t free = free_bytes_on(device);
  if (free == 0) return is_automatic ? GradientCheckpointing::none : recipe.train.gradient_checkpointing;  // not told
  const int64_t memory = free + loaded;
  const Fit fit = fit_update(facts, recipe.train.gradient_accumulation_steps, memory);
  if (!fit.fits)
    log::warn(shortage_text(fit, memory));
  else if (is_automatic && fit.checkpointing != GradientCheckpointing::none)
    log::info("train.gradient_checkpointing: auto is " + std::string(enum_name(fit.checkpointing)) + ", the first that fits: " +
              bytes_text(static_cast<uint64_t>(fit.plan.peak().bytes)) + " of " + bytes_text(static_cast<uint64_t>(memory)));
  return fit.checkpointing;
}

}  // namespace distill
