// Feature terms against PyTorch: value and all gradients, over packed documents, padding, grouped heads, windows, caps and
// encoders (scripts/goldens/make_features.py).
#include <gtest/gtest.h>

#include "distill/checkpoint/safetensors.h"

#include "objective/support.h"
#include "paths.h"

using namespace distill;
using namespace distill::test;
using F = TermFunction;

namespace {

// Facts of one model's attention; the name says whose tensors of the golden file it has.
struct Side {
  const char* who = "student";
  double scale = 0, soft_cap = 0;  // scale 0: head size ^ -1/2
  int64_t window = 0;
};

struct Case {
  const char* name;
  TermRecipe recipe;
  Side teacher = {"twin"};
  Side student = {};
  bool causal = true;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

TermRecipe on(TermFunction function, Positions positions = Positions::kept, LayerMapping mapping = {LayerRule::pairs, {{1, 1}}}) {
  TermRecipe recipe = term(function);
  recipe.positions = positions;
  recipe.layer_mapping = std::move(mapping);
  return recipe;
}

TermRecipe relations(TermRecipe recipe, std::optional<int64_t> heads, std::vector<Relation> list = {Relation::v}) {
  recipe.relation_heads.value = heads;
  recipe.relations = std::move(list);
  return recipe;
}

class FeatureGoldens : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const auto source = open_safetensors(test_data("objective/features.safetensors"));
    for (size_t i = 0; i < source->tensors().size(); ++i)
      golden_[source->tensors()[i].name] = source->read(i, source->tensors()[i].dtype, at::kCPU);
  }
  at::Tensor leaf(const std::string& name) { return leaves_[name] = golden_.at(name).clone().requires_grad_(); }
  AttentionHeads heads_of(const Side& side, bool student) {
    const std::string who = side.who;
    const auto get = [&](const char* x) { return student ? leaf(who + "." + x) : golden_.at(who + "." + x); };
    AttentionHeads heads{get("q"), get("k"), get("v")};
    heads.scale = side.scale != 0 ? side.scale : 1 / std::sqrt(static_cast<double>(heads.q_BTHK.size(3)));
    heads.soft_cap = side.soft_cap;
    heads.window = side.window;
    heads.causal = GetParam().causal;
    return heads;
  }
  // Documents of 5 and 4 tokens with padding behind them, and one of 11.
  TokenBatch packed_batch() {
    const at::Tensor targets = at::full({22}, -100, at::kLong);
    targets.index_fill_(0, golden_.at("kept"), 1);
    TokenBatch batch = make_batch(targets.view({2, 11}), {9, 11});
    batch.documents_BT[0].narrow(0, 5, 4).fill_(1);
    batch.document_lengths = {{5, 4}, {11}};
    batch.one_document_per_row = false;
    return batch;
  }

  std::map<std::string, at::Tensor> golden_, leaves_;
};

TEST_P(FeatureGoldens, ValueAndGradientsEqualPyTorch) {
  const Case& one = GetParam();
  ForwardOutput student, teacher;
  student.heads[1] = heads_of(one.student, true);
  teacher.heads[1] = heads_of(one.teacher, false);
  student.hidden_BTD[1] = leaf("student.hidden");
  for (int64_t layer = 1; layer <= 3; ++layer)
    teacher.hidden_BTD[layer] = golden_.at("teacher.hidden" + (layer == 1 ? "" : std::to_string(layer)));
  const auto shape = [](const ForwardOutput& output, int64_t layers) {
    const at::Tensor& q = output.heads.at(1).q_BTHK;
    return ModelShape{layers, output.hidden_BTD.at(1).size(2), q.size(2), 3, q.size(3)};
  };
  Objective objective({one.recipe}, shape(student, 1), shape(teacher, 3), exact_options());
  for (const NamedTensor& parameter : objective.parameters()) {
    const char* name = parameter.name.starts_with("layer_mix") ? "mix" : "projector";
    leaves_[name] = parameter.tensor;
    parameter.tensor.detach().copy_(golden_.at(name));
  }
  const TokenBatch batch = packed_batch();
  const UpdateCounts counts{static_cast<double>(batch.num_kept), static_cast<double>(batch.num_tokens)};

  const at::Tensor values = objective.backward(student, &teacher, batch, counts, at::full({}, 4.0, at::kFloat));

  const std::string name = one.name;
  EXPECT_LT(gap(values[0], golden_.at("value." + name)), 1e-12);
  int compared = 0;
  for (const auto& [leaf_name, tensor] : leaves_) {
    const auto expected = golden_.find("gradient." + name + "." + leaf_name);
    if (expected == golden_.end()) {
      EXPECT_FALSE(tensor.grad().defined() && tensor.grad().abs().max().item<double>() > 0) << leaf_name;
      continue;
    }
    ASSERT_TRUE(tensor.grad().defined()) << leaf_name;
    EXPECT_LT(gap(tensor.grad() / 4, expected->second), 1e-12) << leaf_name;
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

const LayerMapping kLearned{LayerRule::learned, {}};
constexpr auto kAll = Positions::all;
INSTANTIATE_TEST_SUITE_P(
    Terms, FeatureGoldens,
    ::testing::Values(
        Case{"hidden_l1", on(F::hidden_l1)}, Case{"pkd", on(F::pkd)},
        Case{"mixed_mse", on(F::hidden_mse, Positions::kept, kLearned)}, Case{"mixed_pkd", on(F::pkd, Positions::kept, kLearned)},
        Case{"gram", on(F::gram)}, Case{"gram_all", on(F::gram, kAll)}, Case{"attention_mse", on(F::attention_mse)},
        Case{"attention_mse_capped", on(F::attention_mse, kAll), {"twin", 0.3, 2}, {"student", 0.7, 1.5}},
        Case{"attention_mse_window", on(F::attention_mse), {"twin", 0, 0, 3}},
        Case{"attention_mse_other", on(F::attention_mse), {"other"}},
        Case{"attention_mse_encoder", on(F::attention_mse, kAll), {"twin"}, {}, false}, Case{"attention_kl", on(F::attention_kl)},
        Case{"attention_kl_window", on(F::attention_kl), {"twin", 0, 0, 3}, {"student", 0, 0, 4}},
        Case{"attention_kl_other", on(F::attention_kl, kAll), {"other"}},
        Case{"attention_kl_encoder", on(F::attention_kl, kAll), {"twin"}, {"student", 0, 0, 2}, false},
        Case{"minilm_attention", on(F::minilm_attention)},
        Case{"minilm_attention_2", relations(on(F::minilm_attention), 2), {"other"}},
        Case{"minilm_attention_3", relations(on(F::minilm_attention), 3), {"other"}}, Case{"minilm_value", on(F::minilm_value)},
        Case{"minilm_value_grouped", on(F::minilm_value, kAll), {"grouped"}},
        Case{"minilm_value_6", relations(on(F::minilm_value, kAll), 6), {"other"}, {}, false},
        Case{"minilm_qkv", relations(on(F::minilm_value), 3, {Relation::q, Relation::k, Relation::v}), {"other"}}));

}  // namespace
