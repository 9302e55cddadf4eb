// The phases of an update, each as the parts that live in it.
#include "distill/plan/estimate.h"

#include <algorithm>

#include "distill/spec/parts.h"

#include "block_bytes.h"

namespace distill {
namespace {

int64_t elements_of(const WeightRow& row) {
  int64_t count = 1;
  for (const int64_t axis : row.shape) count *= axis;
  return count;
}

bool trains(const std::string& ours, const std::vector<std::string>& freeze) {
  return std::none_of(freeze.begin(), freeze.end(), [&](const std::string& part) { return part_holds(part, ours); });
}

// The numbers that the phases share.
struct Counted {
  const UpdateFacts& facts;
  BlockBytes block;  // of the student
  int64_t stream;    // the student's residual stream
  int64_t rows;      // positions that layers are compared at
};

BlockFacts block_facts(const UpdateFacts& facts, const ModelFacts& model, int64_t wide, int64_t product) {
  BlockFacts block;
  block.tokens = facts.tokens();
  block.length = facts.length;
  block.wide = wide;
  block.product = product;
  block.on_gpu = facts.on_gpu;
  block.packed = facts.packed;
  block.expands_keys = facts.expands_keys;
  block.shows_probabilities = !model.attention_layers.empty();
  block.adds_in_place = facts.adds_in_place;
  block.adds_wide = facts.adds_wide;
  return block;
}

Counted count_block(const UpdateFacts& facts) {
  BlockFacts block = block_facts(facts, facts.student, facts.master_bytes, facts.compute_bytes);
  block.attention_dropout = facts.attention_dropout;
  return {facts, block_bytes(facts.student.spec, block), facts.master_bytes * facts.tokens() * facts.student.spec.hidden_size,
          facts.features.all_positions ? facts.tokens() : facts.kept_rows};
}

bool is_narrow(const UpdateFacts& facts) { return facts.compute_bytes != facts.master_bytes; }
bool recomputes_blocks(const UpdateFacts& facts) { return facts.checkpointing == GradientCheckpointing::full; }

// ---- what lives through all of a run ----

// The heads' copies in the type of the loss's products.
int64_t head_copies(const UpdateFacts& facts) {
  int64_t bytes = 0;
  const auto width = [](const ModelSpec& spec) { return spec.head_width() * spec.hidden_size; };
  if (facts.logits.block_rows == 0) return 0;
  if (is_narrow(facts)) bytes += facts.compute_bytes * width(facts.student.spec);
  if (facts.logits.teacher_vocab > 0 && facts.teacher->weight_bytes != facts.compute_bytes)
    bytes += facts.compute_bytes * width(facts.teacher->spec);
  return bytes;
}

// Narrow copies of the matrices of `num_layers` blocks.
int64_t block_copies(const Counted& counted, int64_t num_layers) {
  return is_narrow(counted.facts) ? counted.facts.compute_bytes * counted.block.num_matrix_elements * num_layers : 0;
}

int64_t logits_workspace(const UpdateFacts& facts) {
  const LogitsFacts& logits = facts.logits;
  const int64_t block = std::min(facts.kept_rows, logits.block_rows), chunk = std::min(facts.kept_rows, logits.chunk_rows);
  const int64_t numbers = block * logits.vocab + chunk * logits.teacher_vocab;
  constexpr int64_t kSorting = 64'000'000;  // what sorting rows holds at most, about
  return numbers * facts.compute_bytes + (logits.marks ? chunk * logits.vocab + kSorting : 0);
}

std::vector<MemoryPart> always(const Counted& counted) {
  const UpdateFacts& facts = counted.facts;
  const int64_t trained = count_trained(facts.student.spec, facts.freeze) + facts.features.trained_elements;
  const int64_t copies_of_gradient = facts.gradient_shares ? 2 : 1;  // the whole one beside one term's
  return {{"student weights", bytes_of_weights(facts.student.spec, facts.master_bytes)},
          {"projectors", facts.features.trained_elements * facts.master_bytes},
          {"student gradients", trained * facts.master_bytes * copies_of_gradient},
          {"optimizer moments", 2 * trained * facts.master_bytes},
          {"16-bit weight copies",
           head_copies(facts) + (recomputes_blocks(facts) ? 0 : block_copies(counted, facts.student.spec.num_layers))},
          {"teacher weights",
           facts.teacher ? bytes_of_weights(facts.teacher->spec, facts.teacher->weight_bytes) : facts.idle_teacher_bytes},
          {"GPU libraries", facts.on_gpu ? kGpuLibraryBytes : 0},
          {"logits workspace", logits_workspace(facts)},
          {"batch", 8 * (4 * facts.tokens() + 2 * facts.kept_rows)}};
}

// Who sees whom in packed rows, and the same as numbers for fused kernels: once for each forward pass on a GPU.
int64_t mask_bytes(const UpdateFacts& facts, int64_t number) {
  return facts.on_gpu && facts.packed ? facts.tokens() * facts.length * (number + 1) : 0;
}

// ---- the teacher ----

struct TeacherBytes {
  int64_t kept = 0, widest = 0;
};
TeacherBytes teacher_bytes(const UpdateFacts& facts) {
  const ModelFacts& model = *facts.teacher;
  const int64_t wide = std::max<int64_t>(4, model.weight_bytes), stream = wide * facts.tokens() * model.spec.hidden_size;
  const BlockBytes block = block_bytes(model.spec, block_facts(facts, model, wide, model.weight_bytes));
  const auto inner = static_cast<int64_t>(model.hidden_layers.size() - model.hidden_layers.count(model.spec.num_layers));
  TeacherBytes teacher;
  const int64_t before_end = inner * stream + static_cast<int64_t>(model.head_layers.size()) * block.heads +
                             static_cast<int64_t>(model.attention_layers.size()) * block.probabilities;
  teacher.kept = before_end + stream;
  const int64_t in_attention = block.attention.kept + block.attention.passing;
  const int64_t in_mlp = block.addition + block.mlp.kept + block.mlp.passing;
  const int64_t in_block = before_end + stream + std::max(in_attention, in_mlp) + mask_bytes(facts, model.weight_bytes);
  const int64_t is_finite = teacher.kept + stream + 3 * stream / wide;  // magnitudes and three answers for each number
  teacher.widest = std::max(in_block, is_finite);
  return teacher;
}

// ---- the student ----

// Blocks from which on something trains: those below leave nothing for the backward pass.
int64_t first_trained_block(const UpdateFacts& facts) {
  const ModelSpec& spec = facts.student.spec;
  int64_t first = spec.num_layers;
  for (const WeightRow& row : weight_rows(spec)) {
    if (!trains(row.ours, facts.freeze)) continue;
    if (row.ours.rfind("layers.", 0) == 0)
      first = std::min<int64_t>(first, std::stoll(row.ours.substr(7)));
    else if (part_holds("embeddings", row.ours))
      return 0;
  }
  return first;
}

bool block_trains(const UpdateFacts& facts, int64_t layer) {
  return trains("layers." + std::to_string(layer) + ".mlp.up.weight", facts.freeze);
}

// What one block leaves for the backward pass, all of it or as the mode has it.
int64_t whole_block(const Counted& counted, int64_t layer) {
  const BlockBytes& block = counted.block;
  int64_t bytes = block.input + block.attention.kept + block.mlp.kept;
  if (!block_trains(counted.facts, layer)) bytes -= block.attention.product_inputs + block.mlp.product_inputs;
  return bytes;
}
int64_t block_left(const Counted& counted, int64_t layer) {
  const BlockBytes& block = counted.block;
  switch (counted.facts.checkpointing) {
    case GradientCheckpointing::full:
      return counted.stream + (counted.facts.student.head_layers.count(layer + 1) ? block.heads : 0) +
             (counted.facts.student.attention_layers.count(layer + 1) ? block.probabilities : 0);
    case GradientCheckpointing::selective:
      if (!block_trains(counted.facts, layer)) return whole_block(counted, layer);
      return whole_block(counted, layer) - block.attention.cheap - block.mlp.cheap;
    default:
      return whole_block(counted, layer);
  }
}

// Of all blocks, and the stream behind the last one.
int64_t activations(const Counted& counted) {
  const int64_t first = first_trained_block(counted.facts), last = counted.facts.student.spec.num_layers;
  int64_t bytes = counted.stream + mask_bytes(counted.facts, counted.facts.compute_bytes);
  for (int64_t layer = first; layer < last; ++layer) bytes += block_left(counted, layer);
  // Layers that are compared below the first one that trains stay all the same.
  for (const int64_t layer : counted.facts.student.hidden_layers) bytes += layer < first ? counted.stream : 0;
  // A head with a layer of its own: its input, the product, the activation, the norm's result.
  if (counted.facts.student.spec.head_transform)
    bytes += 3 * counted.facts.compute_bytes * counted.facts.tokens() * counted.facts.student.spec.hidden_size;
  return bytes;
}

// Where blocks are recomputed their copies live to the end of the forward pass, in autocast's cache, which takes what trains.
int64_t cached_copies(const Counted& counted) {
  if (!recomputes_blocks(counted.facts)) return 0;
  return block_copies(counted, counted.facts.student.spec.num_layers - first_trained_block(counted.facts));
}

// Beside what all blocks leave in the end: the last one at its widest, or the final norm.
int64_t forward_passing(const Counted& counted) {
  const BlockBytes& block = counted.block;
  const bool keeps = !recomputes_blocks(counted.facts);
  const bool lean = counted.facts.checkpointing == GradientCheckpointing::selective;
  const int64_t behind_attention = keeps ? block.attention.kept - (lean ? block.attention.cheap : 0) : 0;
  const int64_t in_attention = block.attention.kept + block.attention.passing;
  const int64_t in_mlp = behind_attention + block.addition + block.mlp.kept + block.mlp.passing;
  const int64_t last_block = block_left(counted, counted.facts.student.spec.num_layers - 1);
  return std::max(counted.stream + std::max(in_attention, in_mlp) - last_block - counted.stream, counted.stream);
}

// ---- the loss ----

// Positions that logits are compared at, gathered in the type of the products; the head's gradient.
int64_t logits_rows(const Counted& counted) {
  const UpdateFacts& facts = counted.facts;
  if (facts.logits.block_rows == 0) return 0;
  const int64_t D = facts.student.spec.hidden_size,
                teacher_D = facts.logits.teacher_vocab > 0 ? facts.teacher->spec.hidden_size : 0;
  const int64_t number = facts.kept_rows * facts.compute_bytes, wide_number = facts.kept_rows * facts.master_bytes;
  const int64_t both = number * (D + teacher_D), gradient = number * D;
  const int64_t gathering = both + (is_narrow(facts) ? wide_number * teacher_D : 0);
  const int64_t slab = !is_narrow(facts) || facts.adds_wide ? 0
                                                            : std::min(facts.slab_rows, facts.logits.vocab) * D *
                                                                  (facts.compute_bytes + (facts.on_gpu ? 0 : facts.master_bytes));
  const int64_t handing_over = counted.stream + (is_narrow(facts) ? wide_number * D : 0);
  return std::max({gathering, both + gradient + slab, both + gradient + handing_over});
}

int64_t map_bytes(const UpdateFacts& facts, int64_t copies) {
  const int64_t rows = facts.features.tile_elements / (copies * facts.length);
  return 4 * std::clamp<int64_t>(rows, 1, facts.length) * facts.length;
}

// Attention maps of one tile, as many as live at once: scores, masked scores and probabilities of one side beside the
// probabilities of the other; with equal heads all that leads from there to the distance, and back.
int64_t tile_bytes(const UpdateFacts& facts) {
  const int64_t student = facts.student.spec.num_heads, teacher = facts.teacher->spec.num_heads;
  const int64_t map = map_bytes(facts, std::max(student, teacher));
  const int64_t comparing = student == teacher ? (facts.features.attention_kl ? 6 : 5) * student : 0;
  return map * std::max(student + 3 * teacher, comparing);
}

struct FeatureBytes {
  int64_t widest = 0;     // while terms are computed and turned into gradients of layers
  int64_t gradients = 0;  // of layers, until their blocks are reached
};
// The pairs of all terms are computed, then go backward one by one, the last term's first.
FeatureBytes feature_bytes(const Counted& counted) {
  const UpdateFacts& facts = counted.facts;
  const FeatureFacts& features = facts.features;
  if (!facts.teacher) return {};
  const ModelSpec& spec = facts.student.spec;
  const int64_t teacher_D = facts.teacher->spec.hidden_size, row = counted.rows * facts.master_bytes;
  const int64_t differences = features.hidden_pairs * row * (teacher_D + (features.projected ? spec.hidden_size : 0));
  const int64_t heads = facts.compute_bytes * facts.tokens() * (spec.num_heads + spec.num_kv_heads) * spec.head_size;
  const int64_t hidden = features.hidden_pairs * counted.stream, gram = features.gram_pairs * counted.stream;
  const int64_t attention = features.attention_pairs * heads;
  FeatureBytes bytes;
  bytes.gradients = hidden + gram + attention;
  if (features.attention_pairs > 0) bytes.widest = differences + attention + tile_bytes(facts);
  // Who counts, both sides' cosines, their distance and the way back; gradients by queries and by keys.
  constexpr int64_t kGramMaps = 7;
  if (features.gram_pairs > 0)
    bytes.widest = std::max(bytes.widest, differences + gram + 2 * counted.stream + kGramMaps * map_bytes(facts, 1));
  if (features.hidden_pairs > 0) {
    const int64_t one_pair = 2 * row * teacher_D;
    bytes.widest =
        std::max({bytes.widest, differences + one_pair, attention + std::max(differences, hidden) + one_pair + counted.stream});
  }
  return bytes;
}

// ---- the backward pass ----

// Gradients at the widest moment of the last block, less what has been let go of.
int64_t backward_passing(const Counted& counted) {
  const BlockBytes& block = counted.block;
  const bool lean = counted.facts.checkpointing == GradientCheckpointing::selective;
  const int64_t of_stream = 2 * counted.stream;  // of what the head reads, and of the last block's result
  const int64_t in_mlp = lean ? block.mlp.backward_lean : block.mlp.backward;
  const int64_t mlp_kept = block.mlp.kept - (lean ? block.mlp.cheap : 0);
  const int64_t in_attention = counted.stream + (lean ? block.attention.backward_lean : block.attention.backward) - mlp_kept;
  return of_stream - counted.stream + std::max(in_mlp, in_attention);
}

// All that one block keeps without checkpointing; its input is there already.
int64_t recomputed_block(const Counted& counted) {
  return counted.block.attention.kept + counted.block.mlp.kept + block_copies(counted, 1);
}

PhaseBytes make_phase(UpdatePhase phase, const Counted& counted, std::vector<MemoryPart> own) {
  PhaseBytes result;
  result.phase = phase;
  for (MemoryPart& part : always(counted)) result.parts.push_back(std::move(part));
  for (MemoryPart& part : own) {
    const auto same =
        std::find_if(result.parts.begin(), result.parts.end(), [&](const MemoryPart& one) { return one.name == part.name; });
    if (same != result.parts.end())
      same->bytes += part.bytes;
    else
      result.parts.push_back(std::move(part));
  }
  std::erase_if(result.parts, [](const MemoryPart& part) { return part.bytes == 0; });
  for (const MemoryPart& part : result.parts) result.bytes += part.bytes;
  return result;
}

}  // namespace

int64_t bytes_of_weights(const ModelSpec& spec, int64_t bytes_per_weight) { return count_parameters(spec) * bytes_per_weight; }

int64_t count_trained(const ModelSpec& spec, const std::vector<std::string>& freeze) {
  int64_t count = 0;
  for (const WeightRow& row : weight_rows(spec))
    if (trains(row.ours, freeze)) count += elements_of(row);
  return count;
}

const PhaseBytes& MemoryPlan::peak() const {
  return *std::max_element(phases.begin(), phases.end(),
                           [](const PhaseBytes& a, const PhaseBytes& b) { return a.bytes < b.bytes; });
}

MemoryPlan estimate_update(const UpdateFacts& facts) {
  const Counted counted = count_block(facts);
  const TeacherBytes teacher = facts.teacher ? teacher_bytes(facts) : TeacherBytes{};
  const FeatureBytes features = feature_bytes(counted);
  const int64_t left = activations(counted) + counted.stream;  // and what the final norm makes of it
  MemoryPlan plan;
  if (facts.teacher)
    plan.phases.push_back(make_phase(UpdatePhase::teacher_forward, counted, {{"teacher activations", teacher.widest}}));
  plan.phases.push_back(make_phase(UpdatePhase::student_forward, counted,
                                   {{"16-bit weight copies", cached_copies(counted)},
                                    {"teacher activations", teacher.kept},
                                    {"student activations", left - counted.stream + forward_passing(counted)}}));
  const int64_t root = facts.logits.block_rows > 0 ? counted.stream : 0;
  plan.phases.push_back(make_phase(UpdatePhase::loss, counted,
                                   {{"teacher activations", teacher.kept},
                                    {"student activations", left},
                                    {"loss rows", std::max(logits_rows(counted), root + features.widest)}}));
  const int64_t again = recomputes_blocks(facts) ? recomputed_block(counted) : 0;
  plan.phases.push_back(make_phase(UpdatePhase::backward, counted,
                                   {{"teacher activations", teacher.kept},
                                    {"student activations", left},
                                    {"recomputed block", again},
                                    {"feature signals", features.gradients},
                                    {"backward pass", backward_passing(counted)}}));
  return plan;
}

}  // namespace distill
