// Feature terms beyond their goldens: splits of packed batches, tiles, maps of scripts, learned mixes, sparse autoencoders, what
// they need, what they refuse, what they keep in memory.
#include <gmock/gmock.h>

#include <ATen/ATen.h>

#include <cmath>
#include <set>

#include "distill/core/error.h"
#include "distill/objective/autoencoder.h"

#include "kernels/allocation_watch.h"
#include "objective/support.h"

using namespace distill;
using namespace distill::test;
using F = TermFunction;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

struct HeadSizes {
  int64_t heads = 4, groups = 2, size = 3;
};

AttentionHeads random_heads(int64_t batch, int64_t length, const HeadSizes& sizes) {
  AttentionHeads heads{random({batch, length, sizes.heads, sizes.size}), random({batch, length, sizes.groups, sizes.size}),
                       random({batch, length, sizes.groups, sizes.size})};
  heads.scale = 1 / std::sqrt(static_cast<double>(sizes.size));
  return heads;
}

constexpr HeadSizes kStudentHeads{4, 2, 3}, kTeacherHeads{4, 4, 5};
constexpr int64_t kLayers = 2, kTeacherLayers = 3, kWidth = 5, kTeacherWidth = 7, kFeatures = 11;

ModelShape student_shape() { return {kLayers, kWidth, kStudentHeads.heads, 3, kStudentHeads.size}; }
ModelShape teacher_shape() { return {kTeacherLayers, kTeacherWidth, kTeacherHeads.heads, 3, kTeacherHeads.size}; }

ForwardOutput random_layers(int64_t batch, int64_t length, bool student) {
  ForwardOutput output;
  for (int64_t l = 0; l <= (student ? kLayers : kTeacherLayers); ++l) {
    output.hidden_BTD[l] = random({batch, length, student ? kWidth : kTeacherWidth});
    if (l > 0) output.heads[l] = random_heads(batch, length, student ? kStudentHeads : kTeacherHeads);
  }
  return output;
}

// Every tensor of a student's answer.
std::vector<at::Tensor*> tensors_of(ForwardOutput& output) {
  std::vector<at::Tensor*> tensors;
  for (auto& [layer, hidden] : output.hidden_BTD) tensors.push_back(&hidden);
  for (auto& [layer, heads] : output.heads)
    for (at::Tensor* x : {&heads.q_BTHK, &heads.k_BTGK, &heads.v_BTGK}) tensors.push_back(x);
  for (auto& [layer, maps] : output.attention_BHTT) tensors.push_back(&maps);
  return tensors;
}

ForwardOutput as_leaves(ForwardOutput output) {
  for (at::Tensor* tensor : tensors_of(output)) *tensor = tensor->detach().clone().requires_grad_();
  return output;
}
ForwardOutput rows_in(ForwardOutput output, int64_t begin, int64_t count) {
  for (at::Tensor* tensor : tensors_of(output)) *tensor = tensor->narrow(0, begin, count);
  return output;
}

// Rows of two documents and some padding; the first tokens of every document are a prompt.
TokenBatch packed(int64_t begin, int64_t rows, int64_t length) {
  const at::Tensor targets = at::full({rows, length}, -100, at::kLong);
  std::vector<int64_t> lengths;
  for (int64_t b = 0; b < rows; ++b) lengths.push_back(length - (begin + b) % 3);
  for (int64_t b = 0; b < rows; ++b) {
    targets[b].narrow(0, 1 + (begin + b) % 3, 2).fill_(1);
    targets[b].narrow(0, 7, lengths[b] - 8).fill_(1);
  }
  TokenBatch batch = make_batch(targets, lengths);
  for (int64_t b = 0; b < rows; ++b) {
    batch.documents_BT[b].narrow(0, 5, lengths[b] - 5).fill_(1);
    batch.document_lengths[b] = {5, lengths[b] - 5};
  }
  batch.one_document_per_row = false;
  return batch;
}

// A file that is in memory.
class TensorTable : public TensorSource {
 public:
  explicit TensorTable(std::vector<NamedTensor> tensors) : tensors_(std::move(tensors)) {
    for (const NamedTensor& one : tensors_)
      metas_.push_back({one.name, one.tensor.scalar_type(), one.tensor.sizes().vec(), 0, "sae.pt"});
  }
  const std::vector<TensorMeta>& tensors() const override { return metas_; }
  at::Tensor read(size_t index, at::ScalarType dtype, at::Device device) const override {
    return tensors_[index].tensor.to(device, dtype).contiguous();
  }
  std::string where() const override { return "sae.pt"; }

 private:
  std::vector<NamedTensor> tensors_;
  std::vector<TensorMeta> metas_;
};

std::vector<NamedTensor> sae_lens(int64_t width, int64_t features) {
  return {{"W_enc", random({width, features})},
          {"b_enc", random({features})},
          {"W_dec", random({features, width})},
          {"b_dec", random({width})}};
}

TermRecipe sae_term(const SaeRecipe& sae) {
  TermRecipe recipe = term(F::sae_features, 0.7);
  recipe.sae = sae;
  return recipe;
}

SaeRecipe sae_at(int64_t layer) {
  SaeRecipe sae;
  sae.path = "sae.pt";
  sae.layer = layer;
  return sae;
}

ObjectiveOptions options_with(const std::vector<NamedTensor>& file) {
  ObjectiveOptions options = exact_options();
  options.open_tensors = [file](const std::string&) { return std::make_unique<TensorTable>(file); };
  return options;
}

TermRecipe mapped(TermFunction function, LayerMapping mapping, Positions positions = Positions::kept) {
  TermRecipe recipe = term(function, 0.3);
  recipe.layer_mapping = std::move(mapping);
  recipe.positions = positions;
  return recipe;
}

std::vector<TermRecipe> all_terms() {
  std::vector<TermRecipe> terms = {mapped(F::hidden_l1, {LayerRule::uniform, {}}),
                                   mapped(F::pkd, {LayerRule::learned, {}}, Positions::all),
                                   mapped(F::hidden_cosine, {LayerRule::learned, {}}),
                                   mapped(F::gram, {LayerRule::last, {}}),
                                   mapped(F::attention_mse, {LayerRule::uniform, {}}),
                                   mapped(F::attention_kl, {LayerRule::uniform, {}}, Positions::all),
                                   mapped(F::minilm_attention, {LayerRule::last, {}}),
                                   mapped(F::minilm_value, {LayerRule::pairs, {{1, 2}, {2, 3}}}),
                                   sae_term(sae_at(2))};
  terms[7].relations = {Relation::q, Relation::k, Relation::v};
  terms[7].relation_heads.value = 2;
  return terms;
}

struct Outcome {
  at::Tensor values;
  ForwardOutput student;
  std::vector<at::Tensor> parameter_gradients;
};

TEST(Features, EverySplitOfAPackedBatchGivesTheSameValuesAndGradients) {
  at::manual_seed(1);
  const int64_t rows = 4, length = 13;
  const ForwardOutput student = random_layers(rows, length, true), teacher = random_layers(rows, length, false);
  const auto file = sae_lens(kTeacherWidth, kFeatures);
  const TokenBatch whole = packed(0, rows, length);
  const UpdateCounts counts{static_cast<double>(whole.num_kept), static_cast<double>(whole.num_tokens)};
  const auto run = [&](int64_t step) {
    Objective objective(all_terms(), student_shape(), teacher_shape(), options_with(file));
    Outcome outcome{{}, as_leaves(student), {}};
    for (int64_t begin = 0; begin < rows; begin += step) {
      const ForwardOutput theirs = rows_in(teacher, begin, step);
      const at::Tensor values =
          objective.backward(rows_in(outcome.student, begin, step), &theirs, packed(begin, step, length), counts, {});
      outcome.values = outcome.values.defined() ? outcome.values + values : values;
    }
    for (const NamedTensor& parameter : objective.parameters()) outcome.parameter_gradients.push_back(parameter.tensor.grad());
    return outcome;
  };
  Outcome once = run(4);
  EXPECT_EQ(once.values.numel(), 10) << "nine terms and the overlap";
  EXPECT_TRUE(once.values.gt(0).all().item<bool>()) << once.values;
  for (const int64_t step : {2, 1}) {
    Outcome pieces = run(step);
    EXPECT_LT(gap(once.values, pieces.values), 1e-12) << step;
    const auto a = tensors_of(once.student), b = tensors_of(pieces.student);
    for (size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(a[i]->grad().defined(), b[i]->grad().defined());
      if (a[i]->grad().defined()) EXPECT_LT(gap(a[i]->grad(), b[i]->grad()), 1e-12) << i;
    }
    for (size_t i = 0; i < once.parameter_gradients.size(); ++i)
      EXPECT_LT(gap(once.parameter_gradients[i], pieces.parameter_gradients[i]), 1e-12) << i;
  }
}

at::Tensor plain_maps(const AttentionHeads& heads) {
  const int64_t times = heads.q_BTHK.size(2) / heads.k_BTGK.size(2), T = heads.q_BTHK.size(1);
  const at::Tensor k = heads.k_BTGK.repeat_interleave(times, 2).permute({0, 2, 3, 1});
  const at::Tensor future = at::ones({T, T}, at::kBool).triu(1);
  return at::softmax((heads.q_BTHK.transpose(1, 2).matmul(k) * heads.scale).masked_fill(future, -1e30), -1);
}

// 8 heads and 700 keys: the workspace of 2^20 numbers holds 187 queries.
TEST(Features, TilesOfALongRowEqualWholeMaps) {
  at::manual_seed(2);
  const int64_t length = 700;
  ForwardOutput student, teacher;
  student.heads[1] = random_heads(1, length, {8, 2, 3});
  teacher.heads[1] = random_heads(1, length, {8, 8, 2});
  const ForwardOutput tiled = as_leaves(student), whole = as_leaves(student);
  const TokenBatch batch = make_batch(at::zeros({1, length}, at::kLong), {length});
  Objective objective({mapped(F::attention_mse, {LayerRule::last, {}}), mapped(F::attention_kl, {LayerRule::last, {}})},
                      {1, 4, 8, 3, 3}, ModelShape{1, 4, 8, 3, 2}, exact_options());
  const at::Tensor values = objective.backward(tiled, &teacher, batch, {700, 700}, {});
  const at::Tensor s = plain_maps(whole.heads.at(1)), t = plain_maps(teacher.heads.at(1));
  const at::Tensor mse = (s - t).square().sum(-1).mean(1).sum() / 700;
  const at::Tensor kl =
      at::where(t.gt(0), t * (t.clamp_min(1e-300).log() - s.clamp_min(1e-300).log()), at::zeros_like(t)).sum(-1).mean(1).sum() /
      700;
  (0.3 * (mse + kl)).backward();
  EXPECT_LT(gap(values, at::stack({mse, kl}).detach()), 1e-12);
  EXPECT_LT(gap(tiled.heads.at(1).q_BTHK.grad(), whole.heads.at(1).q_BTHK.grad()), 1e-12);
  EXPECT_LT(gap(tiled.heads.at(1).k_BTGK.grad(), whole.heads.at(1).k_BTGK.grad()), 1e-12);
}

TEST(Features, AttentionNeverAllocatesAWholeMap) {
  const int64_t length = 1024;
  ForwardOutput student, teacher;
  for (ForwardOutput* output : {&student, &teacher}) {
    output->heads[1] = random_heads(1, length, {8, 8, 4});
    for (at::Tensor* tensor : tensors_of(*output)) *tensor = tensor->to(at::kFloat);
  }
  const ForwardOutput leaves = as_leaves(student);
  Objective objective({mapped(F::attention_mse, {LayerRule::last, {}}), mapped(F::minilm_value, {LayerRule::last, {}})},
                      {1, 4, 8, 3, 4}, ModelShape{1, 4, 8, 3, 4}, {});
  const TokenBatch batch = make_batch(at::zeros({1, length}, at::kLong), {length});
  const AllocationWatch watch;
  objective.backward(leaves, &teacher, batch, {1024, 1024}, {});
  EXPECT_LE(watch.largest_bytes(), 4 << 20) << "a whole map has 32 MiB";
}

TEST(Features, MapsOfAScriptGiveWhatHeadsGive) {
  at::manual_seed(3);
  const TokenBatch batch = make_batch(at::zeros({2, 6}, at::kLong), {6, 6});
  ForwardOutput student, teacher, maps;
  student.heads[1] = random_heads(2, 6, kStudentHeads);
  teacher.heads[1] = random_heads(2, 6, kTeacherHeads);
  maps.attention_BHTT[1] = plain_maps(teacher.heads.at(1));
  for (const TermFunction function : {F::attention_mse, F::attention_kl, F::minilm_attention}) {
    const std::vector<TermRecipe> terms = {mapped(function, {LayerRule::last, {}})};
    const ModelShape ours{1, 4, 4, 3, 3}, theirs{1, 4, 4, 3, 5}, script{1, 4, 4, 3, 0};
    const ForwardOutput a = as_leaves(student), b = as_leaves(student);
    Objective live(terms, ours, theirs, exact_options()), scripted(terms, ours, script, exact_options());
    EXPECT_THAT(scripted.teacher_needs().attention_layers, ElementsAre(1));
    EXPECT_TRUE(scripted.teacher_needs().head_layers.empty());
    const at::Tensor expected = live.backward(a, &teacher, batch, {12, 12}, {});
    EXPECT_LT(gap(scripted.backward(b, &maps, batch, {12, 12}, {}), expected), 1e-12);
    EXPECT_LT(gap(a.heads.at(1).q_BTHK.grad(), b.heads.at(1).q_BTHK.grad()), 1e-12);
    // A script as the student: the gradient reaches its maps.
    ForwardOutput mapped_student;
    mapped_student.attention_BHTT[1] = plain_maps(student.heads.at(1)).requires_grad_();
    Objective both(terms, script, theirs, exact_options());
    EXPECT_LT(gap(both.backward(mapped_student, &teacher, batch, {12, 12}, {}), expected), 1e-12);
    EXPECT_GT(mapped_student.attention_BHTT.at(1).grad().abs().max().item<double>(), 0);
  }
}

TEST(Features, NarrowTypesGetGradientsOfTheirOwnNearFloat64) {
  at::manual_seed(4);
  const ForwardOutput student = random_layers(2, 13, true), teacher = random_layers(2, 13, false);
  const TokenBatch batch = packed(0, 2, 13);
  const UpdateCounts counts{static_cast<double>(batch.num_kept), static_cast<double>(batch.num_tokens)};
  const std::vector<TermRecipe> terms = {mapped(F::attention_kl, {LayerRule::last, {}}), mapped(F::gram, {LayerRule::last, {}}),
                                         mapped(F::minilm_value, {LayerRule::last, {}})};
  const ForwardOutput exact = as_leaves(student);
  Objective(terms, student_shape(), teacher_shape(), exact_options()).backward(exact, &teacher, batch, counts, {});
  ForwardOutput narrow = student;
  for (at::Tensor* tensor : tensors_of(narrow)) *tensor = tensor->to(at::kHalf).requires_grad_();
  Objective(terms, student_shape(), teacher_shape(), {})
      .backward(narrow, &teacher, batch, counts, at::full({}, 64.0, at::kFloat));
  const at::Tensor& q = narrow.heads.at(2).q_BTHK;
  EXPECT_EQ(q.grad().scalar_type(), at::kHalf);
  EXPECT_LT(gap(q.grad().to(at::kFloat) / 64, exact.heads.at(2).q_BTHK.grad()), 1e-3);
  EXPECT_LT(gap(narrow.heads.at(2).v_BTGK.grad().to(at::kFloat) / 64, exact.heads.at(2).v_BTGK.grad()), 1e-3);
  EXPECT_LT(gap(narrow.hidden_BTD.at(2).grad().to(at::kFloat) / 64, exact.hidden_BTD.at(2).grad()), 1e-3);
}

TEST(Features, NeedQueriesAndKeysInsteadOfMapsAndATermOfWeightZeroNeedsNothing) {
  std::vector<TermRecipe> terms = {mapped(F::attention_mse, {LayerRule::pairs, {{1, 3}}}),
                                   mapped(F::hidden_l1, {LayerRule::learned, {}})};
  const Objective objective(terms, student_shape(), teacher_shape(), exact_options());
  EXPECT_THAT(objective.student_needs().head_layers, ElementsAre(1));
  EXPECT_THAT(objective.teacher_needs().head_layers, ElementsAre(3));
  EXPECT_TRUE(objective.student_needs().attention_layers.empty());
  EXPECT_THAT(objective.student_needs().hidden_layers, ElementsAre(1, 2));
  EXPECT_THAT(objective.teacher_needs().hidden_layers, ElementsAre(1, 2, 3));
  for (TermRecipe& recipe : terms) recipe.weight = 0;
  const Objective nothing(terms, student_shape(), std::nullopt, exact_options());
  EXPECT_FALSE(nothing.teacher_needs().any());
  EXPECT_FALSE(nothing.student_needs().any());
  EXPECT_TRUE(nothing.parameters().empty());
}

TEST(Features, MixesStartUniformAndAreTrainedBesideTheProjectors) {
  TermRecipe recipe = mapped(F::hidden_mse, {LayerRule::learned, {}});
  recipe.projector_learning_rate = 0.01;
  const Objective objective({recipe}, student_shape(), teacher_shape(), exact_options());
  ASSERT_EQ(objective.parameters().size(), 4u);
  EXPECT_EQ(objective.parameters()[0].name, "projector.hidden_mse.1-mix.weight");
  const NamedTensor& mix = objective.parameters()[2];
  EXPECT_EQ(mix.name, "layer_mix.hidden_mse.1.weight");
  EXPECT_FALSE(mix.matrix) << "no weight decay on a mix";
  EXPECT_TRUE(mix.tensor.requires_grad());
  EXPECT_EQ(mix.tensor.sizes(), (at::IntArrayRef{3}));
  EXPECT_EQ(mix.tensor.abs().max().item<double>(), 0);
  EXPECT_EQ(objective.peak_rates(), (std::map<std::string, double>{{"projector.hidden_mse.1-mix.weight", 0.01},
                                                                   {"projector.hidden_mse.2-mix.weight", 0.01}}));
}

// --- sparse autoencoders ---

at::Tensor plain_features(const std::vector<NamedTensor>& file, const at::Tensor& rows, const SaeRecipe& sae) {
  const at::Tensor before = (rows - file[3].tensor).matmul(file[0].tensor) + file[1].tensor;
  if (sae.activation == SaeActivation::jumprelu)
    return at::where(before > file[4].tensor, at::relu(before), at::zeros_like(before));
  if (sae.activation != SaeActivation::topk) return at::relu(before);
  const at::Tensor least = std::get<0>(at::topk(before, *sae.k, 1)).amin({1}, true);
  return at::where(before >= least, at::relu(before), at::zeros_like(before));
}

double plain_overlap(const at::Tensor& ours, const at::Tensor& theirs, int64_t k) {
  double sum = 0;
  for (int64_t row = 0; row < ours.size(0); ++row) {
    const auto active = [&](const at::Tensor& features) {
      std::set<int64_t> places;
      const auto [values, indices] = features[row].topk(k);
      for (int64_t i = 0; i < k; ++i)
        if (values[i].item<double>() > 0) places.insert(indices[i].item<int64_t>());
      return places;
    };
    const std::set<int64_t> a = active(ours), b = active(theirs);
    double shared = 0;
    for (const int64_t place : b) shared += static_cast<double>(a.count(place));
    sum += b.empty() ? 0 : shared / static_cast<double>(b.size());
  }
  return sum;
}

TEST(Features, AutoencoderFeaturesEqualTheirPlainTwin) {
  at::manual_seed(6);
  const ForwardOutput student = random_layers(2, 13, true), teacher = random_layers(2, 13, false);
  const TokenBatch batch = packed(0, 2, 13);
  const double kept = static_cast<double>(batch.num_kept);
  for (const SaeActivation activation : {SaeActivation::relu, SaeActivation::topk, SaeActivation::jumprelu}) {
    auto file = sae_lens(kTeacherWidth, kFeatures);
    file.push_back({"threshold", at::rand({kFeatures}, at::kDouble) * 2});
    SaeRecipe sae = sae_at(2);
    sae.activation = activation;
    sae.center = true;
    sae.k = 4;
    const ForwardOutput fused = as_leaves(student), plain = as_leaves(student);
    Objective objective({sae_term(sae)}, student_shape(), teacher_shape(), options_with(file));
    const at::Tensor values = objective.backward(fused, &teacher, batch, {kept, 1}, {});
    const at::Tensor projector = objective.parameters().at(0).tensor, twin = projector.detach().clone().requires_grad_();
    EXPECT_EQ(objective.parameters()[0].name, "projector.sae_features.1-2.weight") << "as deep as layer 2 of 3";
    const auto rows = [&](const at::Tensor& x) { return x.flatten(0, 1).index_select(0, batch.kept_N); };
    const at::Tensor ours = plain_features(file, rows(plain.hidden_BTD.at(1)).matmul(twin.t()), sae);
    const at::Tensor theirs = plain_features(file, rows(teacher.hidden_BTD.at(2)), sae);
    const at::Tensor loss = at::mse_loss(ours, theirs);
    (0.7 * loss).backward();
    EXPECT_LT(gap(values[0], loss.detach()), 1e-12);
    EXPECT_LT(gap(fused.hidden_BTD.at(1).grad(), plain.hidden_BTD.at(1).grad()), 1e-12);
    EXPECT_LT(gap(projector.grad(), twin.grad()), 1e-12);
    EXPECT_THAT(objective.figure_names(), ElementsAre("sae_features.overlap"));
    EXPECT_NEAR(values[1].item<double>(), plain_overlap(ours, theirs, 4) / kept, 1e-12);
  }
}

// Read from a file in memory, for hidden states of the given width.
Autoencoder autoencoder_in(const std::vector<NamedTensor>& file, const SaeRecipe& sae, int64_t width,
                           at::ScalarType type = at::kDouble) {
  const TensorTable table(file);
  const ExaminedAutoencoder examined = examine_autoencoder(sae, table, {width, 3});
  std::vector<Complaint> complaints;
  for (const SaeFault& fault : examined.faults) complaints.push_back(fault.complaint);
  if (!complaints.empty()) throw Error(ExitCode::bad_input, complaints);
  return read_autoencoder(examined.plan, table, at::TensorOptions().dtype(type));
}

// 2^19 features: chunks of 8 rows, and never all of them.
TEST(Features, ManyFeaturesAreComputedInChunksOfRows) {
  at::manual_seed(7);
  const int64_t features = int64_t{1} << 19, width = 3;
  const std::vector<NamedTensor> file = {{"encoder.weight", at::randn({features, width})},
                                         {"encoder.bias", at::randn({features})}};
  const Autoencoder autoencoder = autoencoder_in(file, sae_at(1), width, at::kFloat);
  const at::Tensor student = at::randn({27, width}).requires_grad_(), teacher = at::randn({27, width});
  const at::Tensor overlap = at::zeros({}, at::kDouble);
  {
    const AllocationWatch watch;
    autoencoder_sum(autoencoder, student, teacher, overlap).backward();
    EXPECT_LE(watch.largest_bytes(), 8 * features * 4);
  }
  const at::Tensor twin = student.detach().clone().requires_grad_();
  const at::Tensor plain = (autoencoder.encode(twin) - autoencoder.encode(teacher)).square().mean(1).sum();
  plain.backward();
  EXPECT_LT(gap(student.grad(), twin.grad()), 1e-4);
  EXPECT_GT(overlap.item<double>(), 0);
}

std::string refusal_of(const SaeRecipe& sae, const std::vector<NamedTensor>& file) {
  try {
    autoencoder_in(file, sae, 4);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::bad_input);
    return error.what();
  }
  return "";
}

TEST(Autoencoders, AreReadUnderTheNamesOfTheirMakers) {
  at::manual_seed(8);
  const at::Tensor encoder = random({4, 6}), bias = random({6}), center = random({4}), rows = random({5, 4});
  const at::Tensor plain = at::relu(rows.matmul(encoder) + bias), centered = at::relu((rows - center).matmul(encoder) + bias);
  const at::Tensor turned = encoder.t().contiguous(), decoder = random({6, 4}), decoder_turned = random({4, 6});
  const auto features = [&](const std::vector<NamedTensor>& file, SaeRecipe sae = sae_at(1)) {
    return autoencoder_in(file, sae, 4).encode(rows);
  };
  EXPECT_LT(gap(features({{"W_enc", encoder}, {"b_enc", bias}, {"W_dec", decoder}, {"b_dec", center}}), centered), 1e-12);
  EXPECT_LT(gap(features({{"encoder.weight", turned}, {"encoder.bias", bias}, {"W_dec", decoder}, {"b_dec", center}}), centered),
            1e-12);
  EXPECT_LT(
      gap(features({{"encoder.weight", turned}, {"latent_bias", bias}, {"decoder.weight", decoder_turned}, {"pre_bias", center}}),
          centered),
      1e-12);
  EXPECT_LT(
      gap(features({{"bias", center}, {"encoder.weight", turned}, {"encoder.bias", bias}, {"decoder.weight", decoder_turned}}),
          centered),
      1e-12);
  EXPECT_LT(gap(features({{"encoder_linear.weight", turned},
                          {"encoder_linear.bias", bias},
                          {"decoder_linear.weight", decoder_turned},
                          {"decoder_linear.bias", center}}),
                plain),
            1e-12);
  EXPECT_LT(gap(features({{"model.sae.W_enc", encoder}, {"model.sae.b_enc", bias}}), plain), 1e-12);
  SaeRecipe named = sae_at(1);
  named.encoder = "up";
  named.encoder_bias = "up_b";
  named.decoder_bias = "mean";
  EXPECT_LT(gap(features({{"up", turned}, {"up_b", bias}, {"mean", center}}, named), centered), 1e-12);
  named.center = false;
  EXPECT_LT(gap(features({{"up", turned}, {"up_b", bias}, {"mean", center}}, named), plain), 1e-12);
  const at::Tensor threshold = at::rand({6}, at::kDouble);
  EXPECT_LT(gap(features({{"W_enc", encoder}, {"b_enc", bias}, {"threshold", threshold}, {"b_dec", center}}),
                plain * plain.gt(threshold)),
            1e-12);
  // dictionary_learning's gated one
  const at::Tensor r = random({6}), gate = random({6}), strength = random({6}), shared = (rows - center).matmul(encoder);
  EXPECT_LT(gap(features({{"encoder.weight", turned},
                          {"r_mag", r},
                          {"gate_bias", gate},
                          {"mag_bias", strength},
                          {"decoder_bias", center},
                          {"decoder.weight", decoder_turned}}),
                at::relu(shared * r.exp() + strength) * (shared + gate).gt(0)),
            1e-12);
}

TEST(Autoencoders, ThatDoNotFitAreRefusedWithTheFile) {
  const auto matrix = [](int64_t rows, int64_t columns) { return random({rows, columns}); };
  SaeRecipe named = sae_at(1), k = sae_at(1), center = sae_at(1), jump = sae_at(1);
  named.encoder = "nowhere";
  k.k = 9;
  center.center = true;
  jump.activation = SaeActivation::jumprelu;
  SaeRecipe square = sae_at(1);
  square.encoder = "M";
  const auto nan = matrix(4, 6).index_fill_(0, at::zeros({1}, at::kLong), NAN);
  EXPECT_THAT(refusal_of(sae_at(1), {{"W_enc", matrix(5, 6)}}),
              AllOf(HasSubstr("sae.pt"), HasSubstr("width 4"), HasSubstr("[5, 6]")));
  EXPECT_THAT(refusal_of(sae_at(1), {{"weights", matrix(4, 6)}}),
              AllOf(HasSubstr("W_enc"), HasSubstr("weights"), HasSubstr("encoder: ...")));
  EXPECT_THAT(refusal_of(named, {{"W_enc", matrix(4, 6)}}), AllOf(HasSubstr("`nowhere`"), HasSubstr("sae.encoder")));
  EXPECT_THAT(refusal_of(square, {{"M", matrix(4, 4)}}), HasSubstr("orientation"));
  EXPECT_THAT(refusal_of(sae_at(1), {{"a.W_enc", matrix(4, 6)}, {"b.W_enc", matrix(4, 6)}}), HasSubstr("a.W_enc and b.W_enc"));
  EXPECT_THAT(refusal_of(sae_at(1), {{"W_enc", matrix(4, 6)}, {"b_enc", random({5})}}),
              AllOf(HasSubstr("b_enc"), HasSubstr("[6]")));
  EXPECT_THAT(refusal_of(sae_at(1), {{"W_enc", matrix(4, 6)}, {"W_dec", matrix(7, 4)}}), HasSubstr("W_dec"));
  EXPECT_THAT(refusal_of(sae_at(1), {{"W_enc", nan}}), HasSubstr("finite"));
  EXPECT_THAT(refusal_of(k, {{"W_enc", matrix(4, 6)}}), HasSubstr("`k` (9)"));
  EXPECT_THAT(refusal_of(center, {{"W_enc", matrix(4, 6)}}), HasSubstr("center"));
  EXPECT_THAT(refusal_of(jump, {{"W_enc", matrix(4, 6)}}), HasSubstr("threshold"));
  EXPECT_THAT(refusal_of(sae_at(1), {{"W_enc", matrix(4, 6)}, {"r_mag", random({6})}}), HasSubstr("b_gate and b_mag"));
  EXPECT_THAT(refusal_of(sae_at(1), {{"W_enc", at::ones({4, 6}, at::kChar)}}),
              AllOf(HasSubstr("floating-point"), HasSubstr("int8")));
  SaeRecipe without_layer = sae_at(1);
  without_layer.layer.reset();
  EXPECT_THAT(refusal_of(without_layer, {{"W_enc", matrix(4, 6)}}), HasSubstr("`layer: 8`"));
  EXPECT_THAT(refusal_of(sae_at(1), {{"W_enc", matrix(4, 6)}, {"b_enc", random({5})}, {"W_dec", matrix(7, 4)}}),
              AllOf(HasSubstr("b_enc"), HasSubstr("W_dec")));  // all at once
}

std::string refusal_of(const TermRecipe& recipe, const ModelShape& student, const ModelShape& teacher) {
  try {
    const Objective objective({recipe}, student, teacher, options_with(sae_lens(kTeacherWidth, kFeatures)));
  } catch (const RecipeError& error) {
    return error.what();
  }
  return "";
}

TEST(Features, WhatDoesNotFitTheModelsIsRefusedWithTheKey) {
  const ModelShape ours = student_shape(), theirs = teacher_shape();
  ModelShape other = theirs, script = theirs;
  other.num_heads = 6;
  script.head_size = 0;
  EXPECT_THAT(refusal_of(mapped(F::attention_kl, {LayerRule::learned, {}}), ours, theirs),
              AllOf(HasSubstr("objective.0.layer_mapping"), HasSubstr("learned")));
  EXPECT_NE(refusal_of(mapped(F::gram, {LayerRule::learned, {}}), ours, theirs), "");
  EXPECT_THAT(refusal_of(mapped(F::minilm_value, {LayerRule::last, {}}), ours, other),
              AllOf(HasSubstr("objective.0.relation_heads"), HasSubstr("relation_heads: 2")));
  TermRecipe odd = mapped(F::minilm_value, {LayerRule::last, {}});
  odd.relation_heads.value = 7;
  EXPECT_THAT(refusal_of(odd, ours, theirs), AllOf(HasSubstr("objective.0.relation_heads"), HasSubstr("12"), HasSubstr("20")));
  EXPECT_THAT(refusal_of(mapped(F::minilm_value, {LayerRule::last, {}}), ours, script), HasSubstr("queries, keys and values"));
  EXPECT_THAT(refusal_of(sae_term(sae_at(4)), ours, theirs),
              AllOf(HasSubstr("objective.0.sae"), HasSubstr("teacher layers 0 to 3")));
  SaeRecipe deep = sae_at(1);
  deep.student_layer = 3;
  EXPECT_THAT(refusal_of(sae_term(deep), ours, theirs), HasSubstr("student layers 0 to 2"));
}

}  // namespace
