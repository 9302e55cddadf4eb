// The weighted sum of terms: splits of a batch, empty micro-batches, frozen parts, ties, types, names, refusals.
#include "distill/objective/objective.h"

#include <gmock/gmock.h>

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include "distill/core/error.h"
#include "distill/objective/term_table.h"

#include "kernels/allocation_watch.h"
#include "kernels/logits_twin.h"
#include "objective/support.h"

using namespace distill;
using namespace distill::test;
using F = TermFunction;

namespace {

TermRecipe mapped(TermRecipe recipe, LayerMapping mapping, Positions positions = Positions::automatic) {
  recipe.layer_mapping = std::move(mapping);
  recipe.positions = positions;
  return recipe;
}

const std::vector<TermRecipe> kMix = {term(F::jsd, 0.8, 2, 0.3),
                                      term(F::cross_entropy, 0.5),
                                      mapped(term(F::hidden_mse, 0.1), {LayerRule::uniform, {}}),
                                      mapped(term(F::hidden_cosine, 0.2), {LayerRule::pairs, {{0, 1}, {2, 3}}}, Positions::all),
                                      mapped(term(F::attention_mse, 0.3), {LayerRule::pairs, {{1, 3}}}),
                                      term(F::kl, 0.4)};

at::Tensor ragged_targets(const Sizes& sizes) {  // the first row keeps one token
  const at::Tensor targets = at::randint(sizes.vocab, {sizes.batch, sizes.length}, at::TensorOptions().dtype(at::kLong));
  targets[0].fill_(-100);
  targets[0][2] = 3;
  for (int64_t b = 1; b < sizes.batch; ++b) targets[b].narrow(0, sizes.length - 1 - b % 3, 1 + b % 3).fill_(-100);
  return targets;
}

std::vector<int64_t> ragged_lengths(const Sizes& sizes) {
  std::vector<int64_t> lengths(sizes.batch, sizes.length);
  for (int64_t b = 1; b < sizes.batch; ++b) lengths[b] -= b % 3;
  return lengths;
}

struct Outcome {
  at::Tensor values;
  ForwardOutput student;
  std::vector<at::Tensor> projector_gradients;
};

// The whole batch in micro-batches of `rows` rows.
Outcome run_in_pieces(const Sizes& sizes, const ForwardOutput& student, const ForwardOutput& teacher,
                      const at::Tensor& targets_BT, const std::vector<int64_t>& lengths, int64_t rows) {
  Objective objective(kMix, sizes.student(), sizes.teacher(), exact_options());
  const TokenBatch whole = make_batch(targets_BT, lengths);
  const UpdateCounts counts{static_cast<double>(whole.num_kept), static_cast<double>(whole.num_tokens)};
  Outcome outcome;
  outcome.student = leaves(student);
  for (int64_t begin = 0; begin < sizes.batch; begin += rows) {
    const TokenBatch part =
        make_batch(targets_BT.narrow(0, begin, rows), {lengths.begin() + begin, lengths.begin() + begin + rows});
    const ForwardOutput teacher_part = rows_of(teacher, begin, rows);
    const at::Tensor values = objective.backward(rows_of(outcome.student, begin, rows), &teacher_part, part, counts, {});
    outcome.values = outcome.values.defined() ? outcome.values + values : values;
  }
  for (const NamedTensor& parameter : objective.parameters()) outcome.projector_gradients.push_back(parameter.tensor.grad());
  return outcome;
}

void expect_equal_gradients(const ForwardOutput& a, const ForwardOutput& b, double tolerance) {
  EXPECT_LT(gap(a.final_hidden_BTD.grad(), b.final_hidden_BTD.grad()), tolerance);
  EXPECT_LT(gap(a.head.weight_VD.grad(), b.head.weight_VD.grad()), tolerance);
  EXPECT_LT(gap(a.hidden_BTD.at(1).grad(), b.hidden_BTD.at(1).grad()), tolerance);
  EXPECT_LT(gap(a.attention_BHTT.at(1).grad(), b.attention_BHTT.at(1).grad()), tolerance);
}

TEST(Objective, EverySplitOfARaggedBatchGivesTheSameGradient) {
  Sizes sizes;
  sizes.batch = 8;
  at::manual_seed(1);
  const ForwardOutput student = random_output(sizes, true), teacher = random_output(sizes, false);
  const at::Tensor targets = ragged_targets(sizes);
  const Outcome whole = run_in_pieces(sizes, student, teacher, targets, ragged_lengths(sizes), 8);
  for (const int64_t rows : {4, 2, 1}) {
    const Outcome pieces = run_in_pieces(sizes, student, teacher, targets, ragged_lengths(sizes), rows);
    EXPECT_LT(gap(whole.values, pieces.values), 1e-12) << rows;
    expect_equal_gradients(whole.student, pieces.student, 1e-12);
    ASSERT_EQ(whole.projector_gradients.size(), 4u);
    for (size_t i = 0; i < 4; ++i) EXPECT_LT(gap(whole.projector_gradients[i], pieces.projector_gradients[i]), 1e-12);
  }
}

// The mix written out: logits of all positions, rows selected afterwards, one autograd graph.
TEST(Objective, TheMixOfAllTermsEqualsItsPlainTwin) {
  Sizes sizes;
  sizes.batch = 3;
  at::manual_seed(2);
  const ForwardOutput student = random_output(sizes, true), teacher = random_output(sizes, false);
  const at::Tensor targets = ragged_targets(sizes);
  const std::vector<int64_t> lengths = ragged_lengths(sizes);
  const TokenBatch batch = make_batch(targets, lengths);
  const double kept = static_cast<double>(batch.num_kept), tokens = static_cast<double>(batch.num_tokens);
  Objective objective(kMix, sizes.student(), sizes.teacher(), exact_options());
  const ForwardOutput fused = leaves(student), plain = leaves(student);
  const at::Tensor scale = at::full({}, 4.0, at::kFloat);
  const at::Tensor values = objective.backward(fused, &teacher, batch, {kept, tokens}, scale);

  const auto pick = [&](const at::Tensor& x, bool all) {
    const at::Tensor mask = all ? batch.documents_BT.ge(0) : targets.ne(-100);
    return x.reshape({-1, x.size(2)}).index({mask.reshape({-1})});
  };
  std::map<std::string, at::Tensor> projectors;
  for (const NamedTensor& parameter : objective.parameters())
    projectors[parameter.name] = parameter.tensor.detach().clone().requires_grad_();
  const auto projected = [&](const std::string& name, int64_t layer, bool all) {
    return pick(plain.hidden_BTD.at(layer), all).matmul(projectors.at("projector." + name + ".weight").t());
  };
  const at::Tensor s = twin_logits(pick(plain.final_hidden_BTD, false), {plain.head.weight_VD, {}, 0}, sizes.vocab);
  const at::Tensor t = twin_logits(pick(teacher.final_hidden_BTD, false), {teacher.head.weight_VD, {}, 0}, sizes.vocab);
  const at::Tensor labels = batch.kept_targets_N;
  std::vector<at::Tensor> expected = {
      twin_term({Divergence::jsd, 1, 2, true, 0.3}, s, t, labels) / kept,
      twin_term({Divergence::cross_entropy}, s, t, labels) / kept,
      (at::mse_loss(projected("hidden_mse.1-2", 1, false), pick(teacher.hidden_BTD.at(2), false)) +
       at::mse_loss(projected("hidden_mse.2-4", 2, false), pick(teacher.final_hidden_BTD, false))) /
          2,
      ((1 - at::cosine_similarity(projected("hidden_cosine.0-1", 0, true), pick(teacher.hidden_BTD.at(1), true))).sum() +
       (1 - at::cosine_similarity(projected("hidden_cosine.2-3", 2, true), pick(teacher.hidden_BTD.at(3), true))).sum()) /
          2 / tokens,
      pick((plain.attention_BHTT.at(1).mean(1) - teacher.attention_BHTT.at(3).mean(1)).square() *
               batch.documents_BT.ge(0).unsqueeze(1),  // keys of padding do not count
           false)
              .sum() /
          kept,
      twin_term({Divergence::kl}, s, t, labels) / kept};
  at::Tensor total = at::zeros({}, at::kDouble);
  for (size_t i = 0; i < kMix.size(); ++i) total = total + 4 * kMix[i].weight.from * expected[i];
  total.backward();

  EXPECT_LT(gap(values, at::stack(expected).detach()), 1e-12);
  expect_equal_gradients(fused, plain, 1e-12);
  for (const NamedTensor& parameter : objective.parameters())
    EXPECT_LT(gap(parameter.tensor.grad(), projectors.at(parameter.name).grad()), 1e-12) << parameter.name;
}

// What a script answers with: logits of each side instead of rows and a head; the teacher's are wider.
TEST(Objective, LogitsWithoutAHeadEqualTheirPlainTwin) {
  Sizes sizes;
  sizes.batch = 3;
  at::manual_seed(4);
  const TokenBatch batch = make_batch(ragged_targets(sizes), ragged_lengths(sizes));
  ForwardOutput student, teacher;
  student.final_hidden_BTD = random({sizes.batch, sizes.length, sizes.vocab}).requires_grad_();
  student.head.identity_width = sizes.vocab;
  teacher.final_hidden_BTD = random({sizes.batch, sizes.length, sizes.vocab + 4});
  teacher.head.identity_width = sizes.vocab + 4;
  ModelShape wide = sizes.teacher();
  wide.vocab_size = sizes.vocab + 4;
  ObjectiveOptions options = exact_options();
  options.vocabulary_limit = sizes.vocab;
  const double kept = static_cast<double>(batch.num_kept);
  Objective objective({term(F::kl, 0.7, 2), term(F::cross_entropy, 0.3)}, sizes.student(), wide, options);
  const at::Tensor values = objective.backward(student, &teacher, batch, {kept, 0}, at::full({}, 4.0, at::kFloat));

  const at::Tensor plain = student.final_hidden_BTD.detach().clone().requires_grad_();
  const at::Tensor s = plain.reshape({-1, sizes.vocab}).index_select(0, batch.kept_N);
  const at::Tensor t =
      teacher.final_hidden_BTD.reshape({-1, sizes.vocab + 4}).index_select(0, batch.kept_N).narrow(1, 0, sizes.vocab);
  const at::Tensor kl = twin_term({Divergence::kl, 1, 2}, s, t, batch.kept_targets_N) / kept;
  const at::Tensor hard = twin_term({Divergence::cross_entropy}, s, t, batch.kept_targets_N) / kept;
  (4 * (0.7 * kl + 0.3 * hard)).backward();
  EXPECT_LT(gap(values, at::stack({kl, hard}).detach()), 1e-12);
  EXPECT_LT(gap(student.final_hidden_BTD.grad(), plain.grad()), 1e-12);
  EXPECT_EQ(gap(student.logits_BTV(), student.final_hidden_BTD), 0);
}

TEST(Objective, ATermIsRefusedWhenAModelReturnsNothingForIt) {
  const Sizes sizes;
  ModelShape logits_only = sizes.teacher();
  logits_only.num_layers = logits_only.hidden_size = logits_only.num_heads = 0;
  const auto message = [&](TermFunction function, const ModelShape& student, const ModelShape& teacher) -> std::string {
    try {
      Objective({term(F::kl), term(function)}, student, teacher, exact_options());
    } catch (const RecipeError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(
      message(F::hidden_mse, sizes.student(), logits_only),
      testing::AllOf(testing::HasSubstr("objective.1.function"), testing::HasSubstr("a teacher that returns hidden states")));
  EXPECT_THAT(message(F::attention_mse, logits_only, sizes.teacher()),
              testing::HasSubstr("a student that returns attention maps"));
  EXPECT_EQ(message(F::cross_entropy, sizes.student(), logits_only), "");
}

TEST(Objective, AMicroBatchWithoutKeptTokensAddsNothing) {
  const Sizes sizes;
  const ForwardOutput student = leaves(random_output(sizes, true)), teacher = random_output(sizes, false);
  const TokenBatch empty = make_batch(at::full({2, 5}, -100, at::TensorOptions().dtype(at::kLong)), {5, 5});
  Objective objective({term(F::kl), term(F::cross_entropy), mapped(term(F::hidden_mse), {LayerRule::last, {}})}, sizes.student(),
                      sizes.teacher(), exact_options());
  const at::Tensor values = objective.backward(student, &teacher, empty, {7, 10}, {});
  EXPECT_EQ(values.abs().max().item<double>(), 0);
  EXPECT_FALSE(student.final_hidden_BTD.grad().defined());
}

TEST(Objective, AFrozenBodyStillTrainsTheHead) {
  const Sizes sizes;
  ForwardOutput student = random_output(sizes, true);
  const ForwardOutput teacher = random_output(sizes, false), full = leaves(student);
  student.head.weight_VD = student.head.weight_VD.clone().requires_grad_();
  const TokenBatch batch = make_batch(ragged_targets(sizes), {5, 5});
  Objective objective({term(F::kl)}, sizes.student(), sizes.teacher(), exact_options());
  objective.backward(student, &teacher, batch, {4, 10}, {});
  objective.backward(full, &teacher, batch, {4, 10}, {});
  EXPECT_TRUE(at::equal(student.head.weight_VD.grad(), full.head.weight_VD.grad()));
}

TEST(Objective, AFrozenHeadGetsNoGradientAndTheBodyDoes) {
  const Sizes sizes;
  ForwardOutput student = random_output(sizes, true);
  student.final_hidden_BTD.requires_grad_();
  const ForwardOutput teacher = random_output(sizes, false);
  Objective objective({term(F::reverse_kl)}, sizes.student(), sizes.teacher(), exact_options());
  objective.backward(student, &teacher, make_batch(ragged_targets(sizes), {5, 5}), {4, 10}, {});
  EXPECT_FALSE(student.head.weight_VD.grad().defined());
  EXPECT_GT(student.final_hidden_BTD.grad().abs().max().item<double>(), 0);
}

// One matrix is embedding and head: both gradients land in one buffer. A head that is computed gets its gradient as a root.
TEST(Objective, TiedAndComputedHeadsGetTheWholeGradient) {
  const Sizes sizes;
  const at::Tensor ids = at::randint(sizes.vocab, {2, 5}, at::TensorOptions().dtype(at::kLong));
  const TokenBatch batch = make_batch(ragged_targets(sizes), {5, 5});
  const at::Tensor start = random({sizes.vocab, 6});
  const auto gradient_with = [&](auto&& head_of) {
    const at::Tensor table = start.clone().requires_grad_();
    ForwardOutput student;
    student.final_hidden_BTD = at::tanh(at::embedding(table, ids));
    student.head.weight_VD = head_of(table);
    Objective objective({term(F::cross_entropy)}, sizes.student(), std::nullopt, exact_options());
    objective.backward(student, nullptr, batch, {4, 10}, {});
    return table.grad();
  };
  const at::Tensor table = start.clone().requires_grad_();
  const at::Tensor rows = at::tanh(at::embedding(table, ids)).reshape({-1, 6}).index_select(0, batch.kept_N);
  (at::nll_loss(at::log_softmax(rows.matmul(table.t()), 1), batch.kept_targets_N, {}, at::Reduction::Sum) / 4).backward();
  EXPECT_LT(gap(gradient_with([](const at::Tensor& t) { return t; }), table.grad()), 1e-12);
  EXPECT_LT(gap(gradient_with([](const at::Tensor& t) { return t * 1.0; }), table.grad()), 1e-12);
}

TEST(Objective, SurroundingAutocastChangesNothing) {
  const Sizes sizes;
  at::manual_seed(4);
  const ForwardOutput output = random_output(sizes, true), teacher = random_output(sizes, false);
  const TokenBatch batch = make_batch(ragged_targets(sizes), {5, 5});
  std::vector<ForwardOutput> students = {leaves(output), leaves(output)};
  for (const bool autocast : {false, true}) {
    Objective objective(kMix, sizes.student(), sizes.teacher(), exact_options());
    at::autocast::set_autocast_enabled(at::kCPU, autocast);
    objective.backward(students[autocast], &teacher, batch, {4, 10}, {});
    EXPECT_EQ(at::autocast::is_autocast_enabled(at::kCPU), autocast);
  }
  at::autocast::set_autocast_enabled(at::kCPU, false);
  expect_equal_gradients(students[0], students[1], 1e-300);
}

// Narrow hidden states: gradients arrive in their type, with the loss scale in; the head's master gradient is float32.
TEST(Objective, HalfPrecisionStaysNearFloat64) {
  Sizes sizes;
  at::manual_seed(6);
  const ForwardOutput output = random_output(sizes, true), teacher = random_output(sizes, false);
  const TokenBatch batch = make_batch(ragged_targets(sizes), {5, 5});
  const ForwardOutput exact = leaves(output);
  Objective(kMix, sizes.student(), sizes.teacher(), exact_options()).backward(exact, &teacher, batch, {4, 10}, {});
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    ForwardOutput narrow = output;
    for (auto& entry : narrow.hidden_BTD) entry.second = entry.second.to(dtype).requires_grad_();
    narrow.final_hidden_BTD = narrow.hidden_BTD.at(sizes.student_layers);
    narrow.head.weight_VD = output.head.weight_VD.to(at::kFloat).requires_grad_();
    for (auto& entry : narrow.attention_BHTT) entry.second = entry.second.to(at::kFloat).requires_grad_();
    ObjectiveOptions options = exact_options();
    options.compute_dtype = dtype;
    options.master_dtype = at::kFloat;
    Objective objective(kMix, sizes.student(), sizes.teacher(), options);
    objective.backward(narrow, &teacher, batch, {4, 10}, at::full({}, 16.0, at::kFloat));
    EXPECT_EQ(narrow.final_hidden_BTD.grad().scalar_type(), dtype);
    const double tolerance = dtype == at::kHalf ? 1e-2 : 8e-2;
    EXPECT_LT(gap(narrow.final_hidden_BTD.grad().to(at::kFloat) / 16, exact.final_hidden_BTD.grad()), tolerance) << dtype;
    EXPECT_LT(gap(narrow.head.weight_VD.grad() / 16, exact.head.weight_VD.grad()), tolerance) << dtype;
  }
}

TEST(Objective, NeverAllocatesLogitsOfAllPositions) {
  Sizes sizes;
  sizes.batch = 4;
  sizes.length = 512;
  sizes.vocab = 600;
  ForwardOutput student, teacher;
  student.final_hidden_BTD = at::randn({4, 512, 6}).requires_grad_();
  student.head.weight_VD = at::randn({600, 6}).requires_grad_();
  teacher.final_hidden_BTD = at::randn({4, 512, 9});
  teacher.head.weight_VD = at::randn({600, 9});
  const TokenBatch batch = make_batch(at::zeros({4, 512}, at::TensorOptions().dtype(at::kLong)), {512, 512, 512, 512});
  Objective objective({term(F::kl), term(F::jsd), term(F::cross_entropy)}, sizes.student(), sizes.teacher(), {});
  const AllocationWatch watch;
  objective.backward(student, &teacher, batch, {2048, 2048}, {});
  held_out_sums(student, &teacher, batch, at::kFloat, 0);
  EXPECT_LE(watch.largest_bytes(), 512 * 600 * 4 + 4096);  // one chunk; all positions would be four times that
}

TEST(Objective, HeldOutSumsEqualThePlainOnes) {
  const Sizes sizes;
  at::manual_seed(8);
  const ForwardOutput student = random_output(sizes, true), teacher = random_output(sizes, false);
  const TokenBatch batch = make_batch(ragged_targets(sizes), {5, 5});
  const HeldOutSums sums = held_out_sums(student, &teacher, batch, at::kDouble, 0);
  const auto logits = [&](const ForwardOutput& output) {
    return output.final_hidden_BTD.reshape({10, -1}).index_select(0, batch.kept_N).matmul(output.head.weight_VD.t());
  };
  const at::Tensor s = logits(student), t = logits(teacher);
  EXPECT_NEAR(sums.cross_entropy, twin_term({Divergence::cross_entropy}, s, t, batch.kept_targets_N).item<double>(), 1e-12);
  EXPECT_NEAR(sums.kl, twin_term({Divergence::kl}, s, t, batch.kept_targets_N).item<double>(), 1e-12);
  EXPECT_EQ(sums.agreement, s.argmax(1).eq(t.argmax(1)).sum().item<double>());
  EXPECT_EQ(sums.kept, batch.num_kept);
  EXPECT_NEAR(held_out_sums(student, nullptr, batch, at::kDouble, 0).cross_entropy, sums.cross_entropy, 1e-12);
}

TEST(Objective, SaysWhatItNeeds) {
  const Sizes sizes;
  const Objective objective(kMix, sizes.student(), sizes.teacher(), exact_options());
  EXPECT_TRUE(objective.student_needs().logits);
  EXPECT_TRUE(objective.teacher_needs().logits);
  EXPECT_EQ(objective.student_needs().hidden_layers, (std::set<int64_t>{0, 1, 2}));
  EXPECT_EQ(objective.teacher_needs().hidden_layers, (std::set<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(objective.student_needs().attention_layers, (std::set<int64_t>{1}));
  EXPECT_EQ(objective.teacher_needs().attention_layers, (std::set<int64_t>{3}));
  const Objective alone({term(F::cross_entropy)}, sizes.student(), std::nullopt, exact_options());
  EXPECT_FALSE(alone.teacher_needs().any());
}

TEST(Objective, NamesRepetitionsByTheirPlaceAndKeepsGivenNames) {
  const Sizes sizes;
  TermRecipe named = term(F::kl, 1, 4);
  named.name = "soft";
  const Objective objective({term(F::kl), named, term(F::kl, 2), term(F::cross_entropy)}, sizes.student(), sizes.teacher(), {});
  EXPECT_EQ(objective.names(), (std::vector<std::string>{"kl", "soft", "kl_3", "cross_entropy"}));
  EXPECT_EQ(objective.weights(), (std::vector<double>{1, 1, 2, 1}));
}

TEST(Objective, ProjectorsAreAFunctionOfSeedAndPair) {
  Sizes sizes;
  sizes.student_hidden = 64;
  sizes.teacher_hidden = 96;
  const std::vector<TermRecipe> terms = {mapped(term(F::hidden_mse), {LayerRule::uniform, {}})};
  ObjectiveOptions other = exact_options();
  other.seed = 6;
  const Objective a(terms, sizes.student(), sizes.teacher(), exact_options()),
      b(terms, sizes.student(), sizes.teacher(), exact_options()), c(terms, sizes.student(), sizes.teacher(), other);
  ASSERT_EQ(a.parameters().size(), 2u);
  EXPECT_EQ(a.parameters()[1].name, "projector.hidden_mse.2-4.weight");
  EXPECT_TRUE(a.parameters()[0].matrix);
  EXPECT_EQ(a.parameters()[0].tensor.sizes(), (at::IntArrayRef{96, 64}));
  EXPECT_TRUE(at::equal(a.parameters()[0].tensor, b.parameters()[0].tensor));
  EXPECT_FALSE(at::equal(a.parameters()[0].tensor, a.parameters()[1].tensor));
  EXPECT_FALSE(at::equal(a.parameters()[0].tensor, c.parameters()[0].tensor));
  EXPECT_NEAR(a.parameters()[0].tensor.std().item<double>(), 1 / 8.0, 0.01);
  sizes.teacher_hidden = 64;
  EXPECT_TRUE(Objective(terms, sizes.student(), sizes.teacher(), exact_options()).parameters().empty());
}

std::string refusal(const std::vector<TermRecipe>& terms, const std::optional<ModelShape>& teacher) {
  try {
    const Objective objective(terms, Sizes().student(), teacher, {});
  } catch (const RecipeError& error) {
    return error.what();
  }
  return "";
}

TEST(Objective, EveryWordOfTheRecipeHasARow) {
  for (const auto& [function, word] : EnumNames<TermFunction>::kNames) EXPECT_EQ(term_facts(function).function, function) << word;
}

TEST(Objective, ATermWithoutWeightAsksForNothing) {
  TermRecipe nothing = term(F::kl, 0);
  const Objective objective({term(F::cross_entropy), nothing, term(F::hidden_mse, 0)}, Sizes().student(), std::nullopt, {});
  EXPECT_FALSE(objective.teacher_needs().any());
  EXPECT_TRUE(objective.student_needs().hidden_layers.empty());
}

TEST(Objective, WeightsAndTemperaturesMoveWithTheUpdate) {
  const Sizes sizes;
  at::manual_seed(5);
  const ForwardOutput student = random_output(sizes, true), teacher = random_output(sizes, false);
  const TokenBatch batch = make_batch(at::randint(sizes.vocab, {sizes.batch, sizes.length}, at::kLong), {5, 5});
  TermRecipe moving = term(F::kl);
  moving.weight = Ramp(1, 0.5, percent(50));
  moving.temperature = Ramp(2, 4, steps(10));
  Objective objective({moving, term(F::cross_entropy)}, sizes.student(), sizes.teacher(), exact_options());
  const std::vector<std::pair<double, double>> expected = {{1, 2}, {0.8, 2.8}, {0.5, 4}, {0.5, 4}};  // weight, temperature
  const int64_t updates[] = {1, 5, 11, 20};
  for (size_t i = 0; i < 4; ++i) {
    objective.start_update(updates[i], 20);
    EXPECT_NEAR(objective.weights()[0], expected[i].first, 1e-12) << updates[i];
    Objective still({term(F::kl, expected[i].first, expected[i].second), term(F::cross_entropy)}, sizes.student(),
                    sizes.teacher(), exact_options());
    const ForwardOutput a = leaves(student), b = leaves(student);
    EXPECT_LT(gap(objective.backward(a, &teacher, batch, {10, 10}, {}), still.backward(b, &teacher, batch, {10, 10}, {})), 1e-12);
    EXPECT_LT(gap(a.final_hidden_BTD.grad(), b.final_hidden_BTD.grad()), 1e-12);
    EXPECT_LT(gap(a.head.weight_VD.grad(), b.head.weight_VD.grad()), 1e-12);
  }
}

TEST(Objective, ASelectedTermWorksAlone) {
  const Sizes sizes;
  at::manual_seed(6);
  const ForwardOutput student = random_output(sizes, true), teacher = random_output(sizes, false);
  const TokenBatch batch = make_batch(at::randint(sizes.vocab, {sizes.batch, sizes.length}, at::kLong), {5, 5});
  Objective objective(kMix, sizes.student(), sizes.teacher(), exact_options());
  const ForwardOutput whole = leaves(student), parts = leaves(student);
  const at::Tensor all = objective.backward(whole, &teacher, batch, {10, 10}, {});
  at::Tensor sum = at::zeros_like(all);
  for (size_t i = 0; i < kMix.size(); ++i) {
    objective.select(i);
    sum += objective.backward(parts, &teacher, batch, {10, 10}, {});
  }
  EXPECT_LT(gap(sum, all), 1e-12);
  expect_equal_gradients(parts, whole, 1e-12);
}

TEST(Objective, RefusesWhatDoesNotFitTheModelsAllAtOnce) {
  using ::testing::AllOf, ::testing::HasSubstr;
  EXPECT_THAT(refusal({term(F::kl)}, std::nullopt), HasSubstr("objective.0.function"));
  EXPECT_THAT(
      refusal({mapped(term(F::hidden_mse), {LayerRule::all, {}}), mapped(term(F::attention_mse), {LayerRule::pairs, {{0, 9}}})},
              Sizes().teacher()),
      AllOf(HasSubstr("objective.0.layer_mapping"), HasSubstr("objective.1.layer_mapping"), HasSubstr("9")));
  EXPECT_THAT(refusal({term(F::uld), term(F::uld)}, Sizes().teacher()), HasSubstr("objective.1.function"));
  EXPECT_THAT(refusal({term(F::kl, 1, 0)}, Sizes().teacher()), HasSubstr("objective.0.temperature"));
  EXPECT_THAT(refusal({term(F::jsd, 1, 1, 1.5)}, Sizes().teacher()), HasSubstr("objective.0.beta"));
  Sizes wide;
  wide.vocab = 18;
  EXPECT_THAT(refusal({term(F::kl)}, wide.teacher()), HasSubstr("18"));
}

}  // namespace
