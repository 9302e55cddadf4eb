// The fused logits terms against their plain twin: values and gradients, odd sizes, chunks, types, instruction sets, memory.
#include "distill/kernels/linear_divergence.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "distill/core/error.h"

#include "kernels/allocation_watch.h"
#include "kernels/logits_twin.h"

using namespace distill;
using namespace distill::test;

namespace {

LogitsTerm smoothed_labels() {
  LogitsTerm term{Divergence::cross_entropy, 0.4, 1.0, false, 0.1};
  term.z_loss = 1e-2;
  return term;
}

const std::vector<LogitsTerm> kMix = {{Divergence::kl, 1.0, 2.0},
                                      {Divergence::cross_entropy, 0.5, 1.0, false},
                                      {Divergence::jsd, 0.7, 1.0, true, 0.3},
                                      {Divergence::reverse_kl, 0.2, 2.0, false},
                                      {Divergence::jsd, 1.3, 4.0, true, 0.9}};
const std::vector<LogitsTerm> kRest = {{Divergence::symmetric_kl, 0.3, 2.0, true, 0.2},
                                       {Divergence::skew_kl, 0.7, 1.0, true, 0.1},
                                       {Divergence::skew_reverse_kl, 0.9, 1.5, true, 0.2},
                                       {Divergence::adaptive_kl, 1.1, 2.0, true, 0.5},
                                       {Divergence::tvd, 0.8, 3.0, false},
                                       {Divergence::logit_mse, 0.6, 2.0},
                                       {Divergence::top_k_kl, 0.7, 1.0, true, 0, 3},
                                       {Divergence::top_k_reverse_kl, 1.2, 2.0, true, 0, 4},
                                       {Divergence::uld, 0.5, 1.5, false},
                                       smoothed_labels()};

struct Sides {
  at::Tensor student_ND, teacher_ND, targets_N;
  LinearHead student, teacher;
  int64_t vocab = 0;

  LinearDivergence::Student side(at::ScalarType dtype) const {
    LinearDivergence::Student side;
    side.rows_ND = student_ND.to(dtype);
    side.head = cast(student, dtype);
    side.vocab = vocab;
    const at::ScalarType wide = dtype == at::kDouble ? at::kDouble : at::kFloat;
    side.weight_gradient_VD = at::zeros_like(student.weight_VD, at::TensorOptions().dtype(wide));
    if (student.bias_V.defined()) side.bias_gradient_V = at::zeros_like(student.bias_V, at::TensorOptions().dtype(wide));
    return side;
  }
  HeadRows teacher_rows(at::ScalarType dtype) const { return {teacher_ND.to(dtype), cast(teacher, dtype)}; }
  static LinearHead cast(const LinearHead& head, at::ScalarType dtype) {
    return {head.weight_VD.to(dtype), head.bias_V.defined() ? head.bias_V.to(dtype) : at::Tensor(), head.soft_cap};
  }
};

Sides make_sides(int64_t rows, int64_t vocab, double spread = 1, bool bias = false) {
  at::manual_seed(rows * 1000 + vocab);
  const auto wide = at::TensorOptions().dtype(at::kDouble);
  Sides sides;
  sides.student_ND = at::randn({rows, 6}, wide) * spread;
  sides.teacher_ND = at::randn({rows, 9}, wide) * spread;
  sides.student.weight_VD = at::randn({vocab, 6}, wide);
  sides.teacher.weight_VD = at::randn({vocab, 9}, wide);
  if (bias) sides.student.bias_V = at::randn({vocab}, wide);
  if (bias) sides.teacher.bias_V = at::randn({vocab}, wide);
  sides.targets_N = at::randint(vocab, {rows}, at::TensorOptions().dtype(at::kLong));
  sides.vocab = vocab;
  return sides;
}

double gap(const at::Tensor& a, const at::Tensor& b) {
  return a.numel() == 0 ? 0 : (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

struct Twin {
  at::Tensor values, rows_gradient, weight_gradient, bias_gradient;
};

Twin twin_of(const std::vector<LogitsTerm>& terms, const Sides& sides, double divisor, double scale) {
  const at::Tensor rows = sides.student_ND.detach().clone().requires_grad_();
  LinearHead head = sides.student;
  head.weight_VD = head.weight_VD.detach().clone().requires_grad_();
  if (head.bias_V.defined()) head.bias_V = head.bias_V.detach().clone().requires_grad_();
  const at::Tensor student_NV = twin_logits(rows, head, sides.vocab);
  const at::Tensor teacher_NV = twin_logits(sides.teacher_ND, sides.teacher, sides.vocab);
  std::vector<at::Tensor> values;
  at::Tensor total = at::zeros({}, rows.options().requires_grad(false)) + 0 * rows.sum() + 0 * head.weight_VD.sum();
  for (const LogitsTerm& term : terms) {
    values.push_back(twin_term(term, student_NV, teacher_NV, sides.targets_N) / divisor);
    total = total + term.weight * scale * values.back();
  }
  total.backward();
  return {at::stack(values).detach(), rows.grad(), head.weight_VD.grad(),
          head.bias_V.defined() ? head.bias_V.grad() : at::Tensor()};
}

void expect_equal_to_twin(const std::vector<LogitsTerm>& terms, const Sides& sides, int64_t chunk, int64_t block,
                          const std::string& what) {
  const Twin twin = twin_of(terms, sides, 13, 1);
  LinearDivergence fused(terms, chunk, block);
  const auto side = sides.side(at::kDouble);
  const HeadRows teacher = sides.teacher_rows(at::kDouble);
  const auto result = fused.backward(side, &teacher, sides.targets_N, 13, {});
  EXPECT_LT(gap(result.values, twin.values), 1e-12) << what;
  EXPECT_LT(gap(result.rows_gradient_ND, twin.rows_gradient), 1e-12) << what;
  EXPECT_LT(gap(side.weight_gradient_VD, twin.weight_gradient), 1e-12) << what;
  if (twin.bias_gradient.defined()) EXPECT_LT(gap(side.bias_gradient_V, twin.bias_gradient), 1e-12) << what;
}

void expect_equal_to_twin(const Sides& sides, int64_t chunk, const std::string& what) {
  for (const auto* terms : {&kMix, &kRest}) {
    expect_equal_to_twin(*terms, sides, chunk, chunk, what);
    expect_equal_to_twin(*terms, sides, chunk, 3 * chunk, what + ", blocks of three chunks");
  }
}

TEST(LinearDivergence, EveryTermAloneEqualsThePlainTwin) {
  for (const double spread : {0.3, 3.0})
    for (const int64_t vocab : {1, 2, 7, 129})
      for (const auto* terms : {&kMix, &kRest})
        for (const LogitsTerm& term : *terms)
          expect_equal_to_twin({term}, make_sides(9, vocab, spread), 4, 8,
                               "term " + std::to_string(static_cast<int>(term.kind)) + " V " + std::to_string(vocab));
}

TEST(LinearDivergence, AHeadThatIsTheWholeVocabularyIsThePlainDivergence) {
  const Sides sides = make_sides(6, 11);
  const HeadRows teacher = sides.teacher_rows(at::kDouble);
  const std::vector<std::pair<LogitsTerm, LogitsTerm>> pairs = {
      {{Divergence::top_k_kl, 1, 2, true, 0, 11}, {Divergence::kl, 1, 2}},
      {{Divergence::top_k_reverse_kl, 1, 2, true, 0, 99}, {Divergence::reverse_kl, 1, 2}}};
  for (const auto& [top_k, dense] : pairs) {
    const auto a = LinearDivergence({top_k}).backward(sides.side(at::kDouble), &teacher, sides.targets_N, 1, {});
    const auto b = LinearDivergence({dense}).backward(sides.side(at::kDouble), &teacher, sides.targets_N, 1, {});
    EXPECT_LT(gap(a.values, b.values), 1e-13);
    EXPECT_LT(gap(a.rows_gradient_ND, b.rows_gradient_ND), 1e-13);
  }
}

TEST(LinearDivergence, UldComparesVocabulariesOfDifferentSizes) {
  for (const auto& [student_vocab, teacher_vocab] : {std::pair<int64_t, int64_t>{20, 33}, {33, 20}}) {
    Sides sides = make_sides(7, student_vocab);
    sides.teacher.weight_VD = at::randn({teacher_vocab, 9}, at::kDouble);
    const HeadRows teacher = sides.teacher_rows(at::kDouble);
    auto side = sides.side(at::kDouble);
    side.teacher_vocab = teacher_vocab;
    const at::Tensor rows = sides.student_ND.clone().requires_grad_();
    const at::Tensor student = at::softmax(twin_logits(rows, sides.student, student_vocab), 1);
    const at::Tensor given = at::softmax(twin_logits(sides.teacher_ND, sides.teacher, teacher_vocab), 1);
    const int64_t width = std::max(student_vocab, teacher_vocab);
    const at::Tensor value = twin_uld(at::constant_pad_nd(student, {0, width - student_vocab}),
                                      at::constant_pad_nd(given, {0, width - teacher_vocab}));
    value.backward();
    const auto result = LinearDivergence({{Divergence::uld}}, 3).backward(side, &teacher, sides.targets_N, 1, {});
    EXPECT_LT(gap(result.values, value.detach().reshape({1})), 1e-13);
    EXPECT_LT(gap(result.rows_gradient_ND, rows.grad()), 1e-13);
  }
}

// Two tokenizers: the teacher has rows for some of the student's alone, in a vocabulary of its own.
TEST(LinearDivergence, UldOfPairsComparesThemAloneAndDividesByTheirNumber) {
  const std::vector<LogitsTerm> terms = {{Divergence::uld, 0.7, 1.5, false}, {Divergence::cross_entropy, 0.4, 1, false}};
  for (const std::vector<int64_t>& paired : {std::vector<int64_t>{1, 2, 6, 12}, {0, 12}, {5}, {}}) {
    Sides sides = make_sides(13, 20);
    sides.teacher.weight_VD = at::randn({33, 9}, at::kDouble);
    RowPairs pairs{paired, at::tensor(paired, at::kLong)};
    const at::Tensor teacher_PD = sides.teacher_ND.narrow(0, 0, pairs.size());
    const HeadRows teacher(teacher_PD, sides.teacher);
    const at::Tensor rows = sides.student_ND.clone().requires_grad_();
    const at::Tensor logits = twin_logits(rows, sides.student, 20);
    const at::Tensor student = at::softmax(logits.index_select(0, pairs.rows_P) / 1.5, 1);
    const at::Tensor given = at::softmax(twin_logits(teacher_PD, sides.teacher, 33) / 1.5, 1);
    const at::Tensor uld = twin_uld(at::constant_pad_nd(student, {0, 13}), given) / 5;
    const at::Tensor labels = at::cross_entropy_loss(logits, sides.targets_N, {}, at::Reduction::Sum) / 9;
    (0.7 * uld + 0.4 * labels).backward();
    for (const int64_t chunk : {1, 3, 5, 64}) {
      auto again = sides.side(at::kDouble);
      again.teacher_vocab = 33;
      again.pairs = &pairs;
      again.pairs_divisor = 5;
      const auto result = LinearDivergence(terms, chunk, 2 * chunk).backward(again, &teacher, sides.targets_N, 9, {});
      EXPECT_LT(gap(result.values, at::stack({uld.detach(), labels.detach()})), 1e-13);
      EXPECT_LT(gap(result.rows_gradient_ND, rows.grad()), 1e-13);
    }
  }
}

// The row kernel has a shape of its own for one term, for two of one temperature and for two of two.
const std::vector<std::vector<LogitsTerm>> kShortPlans = {
    {{Divergence::kl, 0.7, 1.5}},
    {{Divergence::jsd, 0.7, 1, true, 0.3}, {Divergence::cross_entropy, 0.5, 1, false}},
    {{Divergence::reverse_kl, 0.7, 2}, {Divergence::cross_entropy, 0.5, 1, false}},
    {{Divergence::cross_entropy, 0.5, 1, false}, {Divergence::kl, 0.7, 2}}};

TEST(LinearDivergence, PlansOfOneOrTwoTermsEqualTheTwin) {
  const Sides sides = make_sides(7, 131);
  const HeadRows teacher = sides.teacher_rows(at::kDouble), narrow_teacher = sides.teacher_rows(at::kFloat);
  for (const std::vector<LogitsTerm>& terms : kShortPlans) {
    const Twin twin = twin_of(terms, sides, 5, 1);
    auto side = sides.side(at::kDouble), narrow_side = sides.side(at::kFloat);
    const auto result = LinearDivergence(terms, 3).backward(side, &teacher, sides.targets_N, 5, {});
    EXPECT_LT(gap(result.values, twin.values), 1e-12);
    EXPECT_LT(gap(result.rows_gradient_ND, twin.rows_gradient), 1e-12);
    EXPECT_LT(gap(side.weight_gradient_VD, twin.weight_gradient), 1e-12);
    const auto narrow = LinearDivergence(terms, 3).backward(narrow_side, &narrow_teacher, sides.targets_N, 5, {});
    EXPECT_LT(gap(narrow.values, twin.values), 1e-5);
    EXPECT_LT(gap(narrow.rows_gradient_ND, twin.rows_gradient), 1e-5);
  }
}

TEST(LinearDivergence, TermsCanChangeBetweenUpdates) {
  const Sides sides = make_sides(5, 17);
  const HeadRows teacher = sides.teacher_rows(at::kDouble);
  LinearDivergence changing({{Divergence::kl, 1, 1}, {Divergence::cross_entropy, 1, 1, false}});
  changing.backward(sides.side(at::kDouble), &teacher, sides.targets_N, 2, {});
  const std::vector<LogitsTerm> later = {{Divergence::kl, 0.25, 3}, {Divergence::cross_entropy, 2, 1, false}};
  changing.set_terms(later);
  const auto side = sides.side(at::kDouble), fresh_side = sides.side(at::kDouble);
  const auto result = changing.backward(side, &teacher, sides.targets_N, 2, {});
  const auto fresh = LinearDivergence(later).backward(fresh_side, &teacher, sides.targets_N, 2, {});
  EXPECT_TRUE(at::equal(result.values, fresh.values));
  EXPECT_TRUE(at::equal(side.weight_gradient_VD, fresh_side.weight_gradient_VD));
}

TEST(LinearDivergence, EqualsThePlainTwinForOddSizesAndChunks) {
  for (const int64_t vocab : {1, 7, 257})
    for (const int64_t rows : {1, 2, 19})
      for (const int64_t chunk : {1, 2, 19, 64})
        expect_equal_to_twin(make_sides(rows, vocab), chunk,
                             "V " + std::to_string(vocab) + " rows " + std::to_string(rows) + " chunk " + std::to_string(chunk));
}

TEST(LinearDivergence, EqualsThePlainTwinWithBiases) { expect_equal_to_twin(make_sides(5, 33, 1, true), 2, "biases"); }

TEST(LinearDivergence, EqualsThePlainTwinWithSoftCaps) {
  Sides sides = make_sides(5, 33, 1, true);
  sides.student.soft_cap = 2.5;
  sides.teacher.soft_cap = 30;
  expect_equal_to_twin(sides, 2, "soft caps");
}

TEST(LinearDivergence, DropsIdsAboveTheVocabularyOnBothSides) {
  Sides sides = make_sides(5, 40, 1, true);
  sides.teacher.weight_VD = sides.teacher.weight_VD.narrow(0, 0, 36);
  sides.vocab = 33;
  sides.targets_N = sides.targets_N.remainder(33);
  expect_equal_to_twin(sides, 2, "33 of 40 and 36 ids");
}

// Logits of a model without a head that we can see: wider than the vocabulary on both sides.
struct BareLogits {
  at::Tensor student_NV, teacher_NV, targets_N;
  int64_t vocab = 0;

  explicit BareLogits(int64_t rows) : vocab(33) {
    at::manual_seed(rows);
    const auto wide = at::TensorOptions().dtype(at::kDouble);
    student_NV = at::randn({rows, 40}, wide) * 3;
    teacher_NV = at::randn({rows, 36}, wide) * 3;
    targets_N = at::randint(vocab, {rows}, at::TensorOptions().dtype(at::kLong));
  }
  LinearDivergence::Student student(at::ScalarType dtype, double soft_cap = 0) const {
    LinearDivergence::Student side;
    side.rows_ND = student_NV.to(dtype);
    side.head.identity = true;
    side.head.soft_cap = soft_cap;
    side.vocab = vocab;
    return side;
  }
  HeadRows teacher() const { return {teacher_NV, {{}, {}, 0, /*identity=*/true}}; }
};

void expect_bare_logits_equal_the_twin(const std::vector<LogitsTerm>& terms, double soft_cap, int64_t chunk) {
  const BareLogits sides(19);
  const at::Tensor rows = sides.student_NV.clone().requires_grad_();
  const at::Tensor narrow = rows.narrow(1, 0, sides.vocab), given = sides.teacher_NV.narrow(1, 0, sides.vocab);
  const at::Tensor logits = soft_cap > 0 ? soft_cap * at::tanh(narrow / soft_cap) : narrow;
  std::vector<at::Tensor> values;
  at::Tensor total = at::zeros({}, at::kDouble);
  for (const LogitsTerm& term : terms) {
    values.push_back(twin_term(term, logits, given, sides.targets_N) / 13);
    total = total + term.weight * values.back();
  }
  total.backward();
  const HeadRows teacher = sides.teacher();
  const auto result =
      LinearDivergence(terms, chunk).backward(sides.student(at::kDouble, soft_cap), &teacher, sides.targets_N, 13, {});
  EXPECT_LT(gap(result.values, at::stack(values).detach()), 1e-12);
  EXPECT_LT(gap(result.rows_gradient_ND, rows.grad()), 1e-12);
  EXPECT_EQ(result.rows_gradient_ND.narrow(1, 33, 7).abs().max().item<double>(), 0) << "ids that are dropped get no gradient";
}

TEST(LinearDivergence, RowsThatAreLogitsEqualThePlainTwin) {
  for (const int64_t chunk : {2, 19, 64}) expect_bare_logits_equal_the_twin(kMix, 0, chunk);
  expect_bare_logits_equal_the_twin({{Divergence::kl, 1.0, 3.0}}, 0, 4);
  expect_bare_logits_equal_the_twin(kMix, 2.5, 4);
}

TEST(LinearDivergence, RowsThatAreLogitsGiveTheFiguresOfAHead) {
  const BareLogits sides(9);
  const HeadRows teacher = sides.teacher();
  auto with_head = sides.student(at::kDouble);
  with_head.head = {at::eye(40, at::TensorOptions().dtype(at::kDouble)), {}, 0};
  LinearDivergence divergence(kMix, 4);
  const auto bare = divergence.evaluate(sides.student(at::kDouble), &teacher, sides.targets_N);
  const auto headed = divergence.evaluate(with_head, &teacher, sides.targets_N);
  EXPECT_LT(gap(bare.values, headed.values), 1e-12);
  EXPECT_TRUE(at::equal(bare.agreement, headed.agreement));
}

TEST(LinearDivergence, NoRowsGiveZeroAndTouchNothing) {
  const Sides sides = make_sides(0, 7);
  const auto side = sides.side(at::kDouble);
  const HeadRows teacher = sides.teacher_rows(at::kDouble);
  const auto result = LinearDivergence(kMix).backward(side, &teacher, sides.targets_N, 1, {});
  EXPECT_EQ(gap(result.values, at::zeros({5})), 0);
  EXPECT_EQ(gap(side.weight_gradient_VD, at::zeros({7, 6})), 0);
}

TEST(LinearDivergence, AddsToGradientsThatAreThere) {
  const Sides sides = make_sides(4, 7);
  auto side = sides.side(at::kDouble);
  const HeadRows teacher = sides.teacher_rows(at::kDouble);
  LinearDivergence fused(kMix, 3);
  fused.backward(side, &teacher, sides.targets_N, 1, {});
  const at::Tensor once = side.weight_gradient_VD.clone();
  fused.backward(side, &teacher, sides.targets_N, 1, {});
  EXPECT_LT(gap(side.weight_gradient_VD, 2 * once), 1e-12);
}

// Raw rows through one instruction set.
at::Tensor rows_through(const char* instructions, RowType type, const at::Tensor& student, const at::Tensor& teacher,
                        const at::Tensor& targets, const RowPlan& plan, float scale = 1) {
  const at::Tensor values = at::full({student.size(0), plan.num_terms}, -1.0, at::TensorOptions().dtype(at::kDouble));
  RowBatch batch;
  batch.student = student.data_ptr();
  batch.teacher = teacher.data_ptr();
  batch.targets = targets.const_data_ptr<int64_t>();
  batch.loss_scale = &scale;
  batch.values = values.mutable_data_ptr<double>();
  batch.num_rows = student.size(0);
  batch.vocab = student.size(1);
  if (type == RowType::float64)
    divergence_rows_cpu(type, plan, batch);
  else if (!divergence_rows_cpu_with(instructions, type, plan, batch))
    return {};
  return values;
}

RowPlan plan_of_all_kinds() {  // temperatures 1 and 2
  const std::vector<RowTerm> at_one = {{Divergence::cross_entropy, 0.1, 1e-3},
                                       {Divergence::jsd, 0.25},
                                       {Divergence::reverse_kl},
                                       {Divergence::symmetric_kl, 0.3},
                                       {Divergence::skew_kl, 0.1},
                                       {Divergence::skew_reverse_kl, 0.1},
                                       {Divergence::tvd},
                                       {Divergence::logit_mse}};
  const std::vector<RowTerm> at_two = {
      {Divergence::kl}, {Divergence::adaptive_kl, 0.5}, {Divergence::top_k_kl, 0, 0, 5}, {Divergence::top_k_reverse_kl, 0, 0, 5}};
  RowPlan plan;
  for (const auto* terms : {&at_one, &at_two}) {
    for (const RowTerm& term : *terms) {
      plan.terms[plan.num_terms] = term;
      plan.terms[plan.num_terms].slot = plan.num_terms;
      ++plan.num_terms;
    }
    plan.reads_teacher[plan.num_temperatures] = true;
    plan.inverse_temperature[plan.num_temperatures] = plan.num_temperatures == 0 ? 1 : 0.5;
    plan.first_term[++plan.num_temperatures] = plan.num_terms;
  }
  plan.any_teacher = plan.any_first_sums = plan.values_need_first_sums = true;
  return plan;
}

class EveryInstructionSet : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Cpu, EveryInstructionSet, ::testing::Values("baseline", "avx2", "avx512"));

TEST_P(EveryInstructionSet, Float32RowsEqualFloat64RowsToTwoMillionths) {
  const RowPlan plan = plan_of_all_kinds();
  for (const int64_t vocab : {1, 7, 16, 17, 257, 5003})
    for (const double spread : {1.0, 6.0, 40.0}) {
      at::manual_seed(vocab);
      const at::Tensor student = at::randn({3, vocab}) * spread, teacher = at::randn({3, vocab}) * spread;
      const at::Tensor targets = at::randint(vocab, {3}, at::TensorOptions().dtype(at::kLong));
      const at::Tensor exact = student.to(at::kDouble), fast = student.clone();
      const at::Tensor expected = rows_through("", RowType::float64, exact, teacher.to(at::kDouble), targets, plan);
      const at::Tensor found = rows_through(GetParam(), RowType::float32, fast, teacher, targets, plan);
      if (!found.defined()) GTEST_SKIP() << "this CPU has no " << GetParam();
      EXPECT_LT(((found - expected).abs() / expected.abs().clamp_min(0.1)).max().item<double>(), 2e-6)
          << "V " << vocab << " spread " << spread;
      const double largest = std::max(exact.abs().max().item<double>(), 1e-3);
      EXPECT_LT(gap(fast, exact) / largest, 4e-6) << "V " << vocab << " spread " << spread;
    }
}

TEST_P(EveryInstructionSet, EqualSidesGiveExactlyZero) {
  RowPlan plan = plan_of_all_kinds();
  const at::Tensor teacher = at::randn({2, 531}) * 5, student = teacher.clone();
  const at::Tensor values =
      rows_through(GetParam(), RowType::float32, student, teacher, at::zeros({2}, at::TensorOptions().dtype(at::kLong)), plan);
  if (!values.defined()) GTEST_SKIP() << "this CPU has no " << GetParam();
  for (int64_t term = 1; term < plan.num_terms; ++term) EXPECT_EQ(values.select(1, term).abs().max().item<double>(), 0) << term;
}

TEST_P(EveryInstructionSet, NarrowTypesRoundTheFloat32Gradient) {
  const RowPlan plan = plan_of_all_kinds();
  at::manual_seed(3);
  for (const auto& [dtype, type] : {std::pair{at::kHalf, RowType::float16}, std::pair{at::kBFloat16, RowType::bfloat16}}) {
    const at::Tensor student = (at::randn({3, 133}) * 4).to(dtype), teacher = (at::randn({3, 133}) * 4).to(dtype);
    const at::Tensor targets = at::randint(133, {3}, at::TensorOptions().dtype(at::kLong));
    const at::Tensor wide = student.to(at::kFloat);
    const at::Tensor expected = rows_through(GetParam(), RowType::float32, wide, teacher.to(at::kFloat), targets, plan, 1024);
    const at::Tensor values = rows_through(GetParam(), type, student, teacher, targets, plan, 1024);
    if (!values.defined()) GTEST_SKIP() << "this CPU has no " << GetParam();
    EXPECT_EQ(gap(values, expected), 0);
    EXPECT_TRUE(at::equal(student, wide.to(dtype))) << dtype;  // the same rounding as ATen's, bit for bit
  }
}

TEST_P(EveryInstructionSet, NotANumberInTheLogitsIsNotHidden) {
  const RowPlan plan = plan_of_all_kinds();
  for (const int64_t place : {0, 18, 20}) {
    const at::Tensor student = at::randn({1, 21}), teacher = at::randn({1, 21});
    student[0][place] = std::nan("");
    const at::Tensor values =
        rows_through(GetParam(), RowType::float32, student, teacher, at::zeros({1}, at::TensorOptions().dtype(at::kLong)), plan);
    if (!values.defined()) GTEST_SKIP() << "this CPU has no " << GetParam();
    EXPECT_TRUE(values.isnan().all().item<bool>()) << place << values;
    EXPECT_TRUE(student.isnan().all().item<bool>()) << place;
  }
}

TEST(LinearDivergence, ALabelOutsideTheVocabularyIsNotASilentZero) {
  const RowPlan plan = plan_of_all_kinds();
  const at::Tensor student = at::randn({1, 21}), teacher = at::randn({1, 21});
  const at::Tensor values =
      rows_through("baseline", RowType::float32, student, teacher, at::full({1}, 21, at::TensorOptions().dtype(at::kLong)), plan);
  EXPECT_TRUE(std::isnan(values[0][0].item<double>()));
  EXPECT_FALSE(values[0].narrow(0, 1, plan.num_terms - 1).isnan().any().item<bool>());
}

TEST(LinearDivergence, ThreadsDoNotChangeABit) {
  const Sides sides = make_sides(64, 5003);
  const HeadRows teacher = sides.teacher_rows(at::kFloat);
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> gradients, values;
  for (const int count : {1, 2}) {
    at::set_num_threads(count);
    const RowPlan plan = plan_of_all_kinds();
    const at::Tensor student = (sides.student_ND.to(at::kFloat)).matmul(sides.student.weight_VD.to(at::kFloat).t());
    const at::Tensor given = (sides.teacher_ND.to(at::kFloat)).matmul(sides.teacher.weight_VD.to(at::kFloat).t());
    at::manual_seed(1);
    at::Tensor rows = at::randn({64, 5003}), others = at::randn({64, 5003});
    values.push_back(rows_through("baseline", RowType::float32, rows, others, sides.targets_N, plan));
    gradients.push_back(rows);
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(values[0], values[1]));
  EXPECT_TRUE(at::equal(gradients[0], gradients[1]));
}

// A probability of 1e-9 over 64 kept tokens is far below the smallest float16; times the loss scale it is not.
TEST(LinearDivergence, SmallProbabilitiesSurviveFloat16UnderTheLossScale) {
  const double probability = 1e-9;
  Sides sides = make_sides(1, 2);
  sides.student_ND = at::ones({1, 1}, at::kDouble);
  sides.student.weight_VD = at::tensor({0.0, std::log(probability)}, at::kDouble).reshape({2, 1});
  sides.targets_N = at::zeros({1}, at::kLong);
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    LinearDivergence fused({{Divergence::cross_entropy, 1, 1, false}});
    auto side = sides.side(dtype);
    fused.backward(side, nullptr, sides.targets_N, 64, at::full({}, 65536.0, at::kFloat));
    const double expected = probability / 64 * 65536;
    EXPECT_NEAR(side.weight_gradient_VD[1][0].item<double>(), expected, 0.05 * expected) << dtype;
  }
}

TEST(LinearDivergence, NarrowTypesStayNearTheTwin) {
  const Sides sides = make_sides(40, 61);
  const Twin twin = twin_of(kMix, sides, 40, 8);
  for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const double tolerance = dtype == at::kFloat ? 1e-5 : dtype == at::kHalf ? 2e-2 : 1e-1;
    const auto side = sides.side(dtype);
    const HeadRows teacher = sides.teacher_rows(dtype);
    const auto result = LinearDivergence(kMix, 16).backward(side, &teacher, sides.targets_N, 40, at::full({}, 8.0, at::kFloat));
    EXPECT_EQ(side.weight_gradient_VD.scalar_type(), at::kFloat);
    EXPECT_LT(gap(result.values, twin.values) / twin.values.abs().max().item<double>(), tolerance) << dtype;
    EXPECT_LT(gap(result.rows_gradient_ND, twin.rows_gradient) / twin.rows_gradient.abs().max().item<double>(), tolerance)
        << dtype;
    EXPECT_LT(gap(side.weight_gradient_VD, twin.weight_gradient) / twin.weight_gradient.abs().max().item<double>(), tolerance)
        << dtype;
  }
}

TEST(LinearDivergence, NothingOfAllRowsTimesTheVocabularyIsEverAllocated) {
  const int64_t rows = 1000, vocab = 500, chunk = 64;
  const Sides sides = make_sides(rows, vocab);
  auto side = sides.side(at::kFloat);
  const HeadRows teacher = sides.teacher_rows(at::kFloat);
  LinearDivergence fused(kMix, chunk);
  int64_t first_total = 0;
  {
    const AllocationWatch watch;
    fused.backward(side, &teacher, sides.targets_N, rows, {});
    EXPECT_LE(watch.largest_bytes(), chunk * vocab * 4 + 4096);
    first_total = watch.total_bytes();
  }
  const AllocationWatch watch;  // the second call finds its workspace there
  fused.backward(side, &teacher, sides.targets_N, rows, {});
  EXPECT_LT(watch.largest_bytes(), chunk * vocab * 4);
  EXPECT_LE(watch.total_bytes() + 2 * chunk * vocab * 4, first_total);
}

TEST(LinearDivergence, ChunksKeepTheWorkspaceBounded) {
  for (const at::ScalarType dtype : {at::kHalf, at::kFloat, at::kDouble})
    for (const int64_t vocab : {1, 1000, 32000, 151936})
      EXPECT_LE(chunk_rows(vocab, dtype) * vocab * static_cast<int64_t>(c10::elementSize(dtype)), 160'000'000);
  EXPECT_EQ(chunk_rows(151936, at::kFloat), 256);
  EXPECT_EQ(chunk_rows(1000, at::kFloat), 512);
}

TEST(LinearDivergence, EvaluationGivesValuesAndAgreement) {
  const Sides sides = make_sides(21, 11);
  const std::vector<LogitsTerm> terms = {{Divergence::cross_entropy}, {Divergence::kl}};
  auto side = sides.side(at::kDouble);
  const HeadRows teacher = sides.teacher_rows(at::kDouble);
  const auto figures = LinearDivergence(terms, 4).evaluate(side, &teacher, sides.targets_N);
  EXPECT_LT(gap(figures.values, twin_of(terms, sides, 1, 1).values), 1e-11);
  const at::Tensor same =
      twin_logits(sides.student_ND, sides.student, 11).argmax(1).eq(twin_logits(sides.teacher_ND, sides.teacher, 11).argmax(1));
  EXPECT_EQ(figures.agreement.item<int64_t>(), same.sum().item<int64_t>());
}

TEST(LinearDivergence, TooManyTermsAreRefused) {
  EXPECT_THROW(LinearDivergence(std::vector<LogitsTerm>(kMaxTerms + 1)), RecipeError);
  EXPECT_THROW(LinearDivergence({{Divergence::uld}, {Divergence::uld, 1, 2}}), RecipeError);
}

TEST(HeadCast, CastsOncePerChangeOfTheWeight) {
  LinearHead head{at::randn({4, 3}), {}, 0};
  HeadCast cast;
  const at::Tensor first = cast.get(head, at::kBFloat16).weight_VD;
  EXPECT_TRUE(cast.get(head, at::kBFloat16).weight_VD.is_same(first));
  head.weight_VD.add_(1);
  EXPECT_TRUE(at::equal(cast.get(head, at::kBFloat16).weight_VD, head.weight_VD.to(at::kBFloat16)));
  EXPECT_TRUE(cast.get(head, at::kFloat).weight_VD.is_same(head.weight_VD));
}

TEST(HeadCast, SeesEveryUpdateOfATrainedWeight) {
  const LinearHead head{at::randn({4, 3}).requires_grad_(), {}, 0};
  HeadCast cast;
  cast.get(head, at::kBFloat16);
  head.weight_VD.mutable_data_ptr<float>()[5] = 8;  // behind the version counter, as fused optimizers write
  EXPECT_EQ(cast.get(head, at::kBFloat16).weight_VD.view({-1})[5].item<float>(), 8);
}

TEST(LinearDivergence, GpuRowsEqualCpuRows_CUDA) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here: the CUDA row kernel was not run";
  const Sides sides = make_sides(19, 257, 1, true);
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat, at::kHalf}) {
    const double tolerance = dtype == at::kDouble ? 1e-12 : dtype == at::kFloat ? 1e-4 : 3e-2;
    Sides there = sides;
    for (at::Tensor* tensor : {&there.student_ND, &there.teacher_ND, &there.targets_N, &there.student.weight_VD,
                               &there.student.bias_V, &there.teacher.weight_VD, &there.teacher.bias_V})
      *tensor = tensor->cuda();
    std::vector<std::vector<LogitsTerm>> plans = kShortPlans;
    plans.push_back(kMix);
    if (dtype != at::kHalf) plans.push_back(kRest);  // rounded logits end the head elsewhere
    for (const std::vector<LogitsTerm>& terms : plans) {
      const Twin twin = twin_of(terms, sides, 13, 1);
      auto side = there.side(dtype);
      const HeadRows teacher = there.teacher_rows(dtype);
      const auto result = LinearDivergence(terms, 8).backward(side, &teacher, there.targets_N, 13, {});
      EXPECT_LT(gap(result.values.cpu(), twin.values), tolerance * 20) << dtype;
      EXPECT_LT(gap(result.rows_gradient_ND.cpu(), twin.rows_gradient), tolerance * 5) << dtype;
      EXPECT_LT(gap(side.weight_gradient_VD.cpu(), twin.weight_gradient), tolerance * 5) << dtype;
    }
  }
}

}  // namespace
