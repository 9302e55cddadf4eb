// Objectives of encoders: masked language models, classifiers, embeddings. Splits of a batch, plain twins, held-out figures.
#include <gmock/gmock.h>

#include <ATen/ATen.h>

#include "distill/core/error.h"
#include "distill/objective/objective.h"

#include "objective/support.h"

using namespace distill;
using namespace distill::test;
using F = TermFunction;

namespace {

constexpr int64_t kClasses = 3;

ObjectiveOptions encoder_options() {
  ObjectiveOptions options = exact_options();
  options.all_positions = true;
  return options;
}

Sizes batch_of_eight() {
  Sizes sizes;
  sizes.batch = 8;
  sizes.student_layers = sizes.teacher_layers = 2;
  return sizes;
}

std::vector<int64_t> ragged_lengths(const Sizes& sizes) {
  std::vector<int64_t> lengths;
  for (int64_t b = 0; b < sizes.batch; ++b) lengths.push_back(sizes.length - b % 3);
  return lengths;
}

// What the head of an encoder reads is no layer: a transform of the last one, or one pooled vector.
ForwardOutput encoder_output(const Sizes& sizes, bool student, int64_t rows_of_head, int64_t head_width) {
  const int64_t hidden = student ? sizes.student_hidden : sizes.teacher_hidden;
  ForwardOutput output = random_output(sizes, student);
  output.final_hidden_BTD = random({sizes.batch, rows_of_head, hidden});
  output.head.weight_VD = random({head_width, hidden});
  output.embedding_BD = random({sizes.batch, hidden});
  return output;
}

// One kind of task: its terms, its outputs and its batches.
struct TaskCase {
  const char* name;
  std::vector<TermRecipe> terms;
  int64_t rows_of_head = 1, head_width = kClasses;
  bool masked = false;
};
std::ostream& operator<<(std::ostream& out, const TaskCase& c) { return out << c.name; }

class EncoderObjective : public testing::TestWithParam<TaskCase> {
 protected:
  void SetUp() override {
    at::manual_seed(3);
    student_ = encoder_output(sizes_, true, GetParam().rows_of_head, GetParam().head_width);
    teacher_ = encoder_output(sizes_, false, GetParam().rows_of_head, GetParam().head_width);
    classes_B_ = at::randint(kClasses, {sizes_.batch}, at::TensorOptions().dtype(at::kLong));
    targets_BT_ = at::full({sizes_.batch, sizes_.length}, -100, at::TensorOptions().dtype(at::kLong));
    for (int64_t b = 0; b < sizes_.batch; ++b)  // one to three masked places in a row, the first token among them
      for (int64_t t = 0; t <= b % 3; ++t) targets_BT_[b][t].fill_((5 * b + t) % sizes_.vocab);
  }

  ModelShape shape(bool student) const {
    ModelShape shape = student ? sizes_.student() : sizes_.teacher();
    shape.vocab_size = GetParam().head_width;
    return shape;
  }
  TokenBatch batch(int64_t begin, int64_t count) const {
    const auto all = ragged_lengths(sizes_);
    const std::vector<int64_t> lengths(all.begin() + begin, all.begin() + begin + count);
    return GetParam().masked ? make_batch(targets_BT_.narrow(0, begin, count), lengths)
                             : make_row_batch(classes_B_.narrow(0, begin, count), sizes_.length, lengths);
  }
  UpdateCounts counts() const {
    const TokenBatch whole = batch(0, sizes_.batch);
    return {static_cast<double>(whole.num_kept), static_cast<double>(whole.num_tokens)};
  }

  struct Outcome {
    at::Tensor values;
    ForwardOutput student;
    std::vector<at::Tensor> projector_gradients;
  };
  Outcome run(int64_t rows) const {
    Objective objective(GetParam().terms, shape(true), shape(false), encoder_options());
    Outcome outcome{at::zeros({static_cast<int64_t>(GetParam().terms.size())}, at::kDouble), leaves(student_), {}};
    for (int64_t begin = 0; begin < sizes_.batch; begin += rows) {
      const ForwardOutput teacher = rows_of(teacher_, begin, rows);
      outcome.values += objective.backward(rows_of(outcome.student, begin, rows), &teacher, batch(begin, rows), counts(), {});
    }
    for (const NamedTensor& parameter : objective.parameters()) outcome.projector_gradients.push_back(parameter.tensor.grad());
    return outcome;
  }

  Sizes sizes_ = batch_of_eight();
  ForwardOutput student_, teacher_;
  at::Tensor classes_B_, targets_BT_;
};

TEST_P(EncoderObjective, EverySplitOfABatchGivesTheSameValuesAndGradients) {
  const Outcome whole = run(8);
  EXPECT_TRUE(whole.values.gt(0).all().item<bool>()) << whole.values;
  for (const int64_t rows : {4, 2, 1}) {
    const Outcome pieces = run(rows);
    EXPECT_LT(gap(whole.values, pieces.values), 1e-12) << rows;
    const auto expect_same = [&](const at::Tensor& a, const at::Tensor& b) {
      ASSERT_EQ(a.grad().defined(), b.grad().defined());
      if (a.grad().defined()) EXPECT_LT(gap(a.grad(), b.grad()), 1e-12) << rows;
    };
    expect_same(whole.student.final_hidden_BTD, pieces.student.final_hidden_BTD);
    expect_same(whole.student.head.weight_VD, pieces.student.head.weight_VD);
    expect_same(whole.student.embedding_BD, pieces.student.embedding_BD);
    for (const auto& [layer, tensor] : whole.student.hidden_BTD) expect_same(tensor, pieces.student.hidden_BTD.at(layer));
    for (const auto& [layer, tensor] : whole.student.attention_BHTT) expect_same(tensor, pieces.student.attention_BHTT.at(layer));
    for (size_t i = 0; i < whole.projector_gradients.size(); ++i)
      EXPECT_LT(gap(whole.projector_gradients[i], pieces.projector_gradients[i]), 1e-12);
  }
}

const std::vector<TermRecipe> kWithLogits = {term(F::kl, 1, 2), term(F::cross_entropy, 0.5), term(F::jsd, 0.3),
                                             term(F::hidden_mse, 0.2), term(F::attention_mse, 0.4)};

INSTANTIATE_TEST_SUITE_P(Tasks, EncoderObjective,
                         testing::Values(TaskCase{"masked_lm", kWithLogits, Sizes().length, Sizes().vocab, true},
                                         TaskCase{"sequence_classification", kWithLogits},
                                         TaskCase{"embedding",
                                                  {term(F::embedding_mse), term(F::embedding_cosine, 0.5),
                                                   term(F::hidden_cosine, 0.2), term(F::attention_mse, 0.4)}}),
                         [](const auto& info) { return std::string(info.param.name); });

at::Tensor tokens_of(const at::Tensor& hidden_BTD, const TokenBatch& batch) {
  return hidden_BTD.reshape({-1, hidden_BTD.size(2)}).index({batch.documents_BT.reshape({-1}).ge(0)});
}

TEST(ClassifierObjective, EqualsItsPlainTwin) {
  Sizes sizes = batch_of_eight();
  sizes.teacher_hidden = sizes.student_hidden;
  at::manual_seed(4);
  const ForwardOutput student = encoder_output(sizes, true, 1, kClasses), teacher = encoder_output(sizes, false, 1, kClasses);
  const ForwardOutput fused = leaves(student), plain = leaves(student);
  const at::Tensor classes = at::randint(kClasses, {8}, at::TensorOptions().dtype(at::kLong));
  const TokenBatch batch = make_row_batch(classes, sizes.length, ragged_lengths(sizes));
  ModelShape student_shape = sizes.student(), teacher_shape = sizes.teacher();
  student_shape.vocab_size = teacher_shape.vocab_size = kClasses;
  TermRecipe last = term(F::hidden_mse, 0.2);
  last.layer_mapping = {LayerRule::last, {}};
  Objective objective({term(F::kl, 1, 2), term(F::cross_entropy, 0.5), last}, student_shape, teacher_shape, encoder_options());
  const at::Tensor values = objective.backward(fused, &teacher, batch, {8, static_cast<double>(batch.num_tokens)}, {});

  const auto logits = [](const ForwardOutput& output) {
    return output.final_hidden_BTD.select(1, 0).matmul(output.head.weight_VD.t());
  };
  const at::Tensor s = logits(plain), t = logits(teacher);
  const at::Tensor teacher_half = at::log_softmax(t / 2, 1);
  const std::vector<at::Tensor> expected = {
      4 * (teacher_half.exp() * (teacher_half - at::log_softmax(s / 2, 1))).sum() / 8, at::cross_entropy_loss(s, classes),
      at::mse_loss(tokens_of(plain.hidden_BTD.at(2), batch), tokens_of(teacher.hidden_BTD.at(2), batch))};
  (expected[0] + 0.5 * expected[1] + 0.2 * expected[2]).backward();
  EXPECT_LT(gap(values, at::stack(expected).detach()), 1e-12);
  EXPECT_LT(gap(fused.final_hidden_BTD.grad(), plain.final_hidden_BTD.grad()), 1e-12);
  EXPECT_LT(gap(fused.head.weight_VD.grad(), plain.head.weight_VD.grad()), 1e-12);
  EXPECT_LT(gap(fused.hidden_BTD.at(2).grad(), plain.hidden_BTD.at(2).grad()), 1e-12);
}

TEST(EmbeddingObjective, EqualsItsPlainTwinWithAndWithoutAProjector) {
  for (const int64_t teacher_hidden : {6, 9}) {
    Sizes sizes = batch_of_eight();
    sizes.teacher_hidden = teacher_hidden;
    at::manual_seed(5);
    ForwardOutput teacher = encoder_output(sizes, false, 1, kClasses), fused = leaves(encoder_output(sizes, true, 1, kClasses));
    const ForwardOutput plain = leaves(fused);
    fused.head = teacher.head = {};
    const TokenBatch batch = make_row_batch(at::full({8}, -100, at::kLong), sizes.length, ragged_lengths(sizes));
    Objective objective({term(F::embedding_mse), term(F::embedding_cosine, 0.5)}, sizes.student(), sizes.teacher(),
                        encoder_options());
    EXPECT_TRUE(objective.student_needs().embedding);
    EXPECT_TRUE(objective.teacher_needs().embedding);
    EXPECT_FALSE(objective.student_needs().logits);
    const at::Tensor values = objective.backward(fused, &teacher, batch, {16, 100}, {});  // half of the update's rows
    ASSERT_EQ(objective.parameters().size(), teacher_hidden == 6 ? 0u : 2u);
    std::vector<at::Tensor> vectors = {plain.embedding_BD, plain.embedding_BD}, projectors;
    for (size_t i = 0; i < objective.parameters().size(); ++i) {
      projectors.push_back(objective.parameters()[i].tensor.detach().clone().requires_grad_());
      vectors[i] = plain.embedding_BD.matmul(projectors[i].t());
    }
    const at::Tensor mse = at::mse_loss(vectors[0], teacher.embedding_BD) / 2;
    const at::Tensor cosine = (1 - at::cosine_similarity(vectors[1], teacher.embedding_BD)).sum() / 16;
    (mse + 0.5 * cosine).backward();
    EXPECT_LT(gap(values, at::stack({mse, cosine}).detach()), 1e-12);
    EXPECT_LT(gap(fused.embedding_BD.grad(), plain.embedding_BD.grad()), 1e-12);
    for (size_t i = 0; i < projectors.size(); ++i)
      EXPECT_LT(gap(objective.parameters()[i].tensor.grad(), projectors[i].grad()), 1e-12);
    if (!projectors.empty()) EXPECT_EQ(objective.parameters()[0].name, "projector.embedding_mse.embedding.weight");
  }
}

TEST(EncoderPositions, AutoIsEveryTokenAndKeptIsTheMaskedOnes) {
  Sizes sizes = batch_of_eight();
  sizes.teacher_hidden = sizes.student_hidden;
  at::manual_seed(6);
  const ForwardOutput student = random_output(sizes, true), teacher = random_output(sizes, false);
  const at::Tensor targets = at::full({8, sizes.length}, -100, at::TensorOptions().dtype(at::kLong));
  targets.select(1, 1).fill_(4);
  const TokenBatch batch = make_batch(targets, ragged_lengths(sizes));
  TermRecipe by_default = term(F::hidden_mse), kept = term(F::hidden_mse);
  by_default.layer_mapping = kept.layer_mapping = {LayerRule::last, {}};
  kept.positions = Positions::kept;
  Objective objective({by_default, kept}, sizes.student(), sizes.teacher(), encoder_options());
  const at::Tensor values = objective.backward(student, &teacher, batch, {8, static_cast<double>(batch.num_tokens)}, {});
  const auto distance = [](const at::Tensor& a, const at::Tensor& b) { return at::mse_loss(a, b).item<double>(); };
  EXPECT_NEAR(values[0].item<double>(),
              distance(tokens_of(student.hidden_BTD.at(2), batch), tokens_of(teacher.hidden_BTD.at(2), batch)), 1e-12);
  EXPECT_NEAR(values[1].item<double>(), distance(student.hidden_BTD.at(2).select(1, 1), teacher.hidden_BTD.at(2).select(1, 1)),
              1e-12);
}

TEST(ClassSums, EqualThePlainOnesWithSomeRowsUnlabelled) {
  const Sizes sizes = batch_of_eight();
  at::manual_seed(7);
  ForwardOutput student = encoder_output(sizes, true, 1, kClasses);
  const ForwardOutput teacher = encoder_output(sizes, false, 1, kClasses);
  student.head.bias_V = random({kClasses});
  const std::vector<int64_t> labels = {0, -100, 2, 1, 1, -100, 0, 2};
  const TokenBatch batch = make_row_batch(at::tensor(labels, at::kLong), sizes.length, ragged_lengths(sizes));
  const ClassSums sums = class_sums(student, &teacher, batch);
  const at::Tensor s = at::log_softmax(student.logits_BTV().select(1, 0), 1),
                   t = at::log_softmax(teacher.logits_BTV().select(1, 0), 1);
  double cost = 0, correct = 0;
  for (int64_t b = 0; b < 8; ++b) {
    if (labels[b] < 0) continue;
    cost -= s[b][labels[b]].item<double>();
    correct += s[b].argmax().item<int64_t>() == labels[b];
  }
  EXPECT_NEAR(sums.cross_entropy, cost, 1e-12);
  EXPECT_EQ(sums.correct, correct);
  EXPECT_EQ(sums.labelled, 6);
  EXPECT_EQ(sums.rows, 8);
  EXPECT_NEAR(sums.kl, (t.exp() * (t - s)).sum().item<double>(), 1e-12);
  EXPECT_EQ(sums.agreement, s.argmax(1).eq(t.argmax(1)).sum().item<double>());
  EXPECT_NEAR(class_sums(student, nullptr, batch).cross_entropy, cost, 1e-12);
}

TEST(EmbeddingCosine, IsOneForVectorsOfOneDirection) {
  ForwardOutput student, teacher;
  student.embedding_BD = at::tensor({1.0, 2.0, 0.0, 1.0}, at::kDouble).view({2, 2});
  teacher.embedding_BD = at::tensor({2.0, 4.0, 1.0, 0.0}, at::kDouble).view({2, 2});
  EXPECT_NEAR(embedding_cosine_sum(student, teacher), 1, 1e-12);
}

}  // namespace
