// Every term against PyTorch: value and all gradients (scripts/goldens/make_objective.py).
#include <gtest/gtest.h>

#include "distill/checkpoint/safetensors.h"

#include "objective/support.h"
#include "paths.h"

using namespace distill;
using namespace distill::test;

namespace {

struct Case {
  const char* name;
  TermRecipe recipe;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

TermRecipe without_t_squared(TermRecipe recipe) {
  recipe.t_squared = false;
  return recipe;
}

template <class Value>
TermRecipe with(TermRecipe recipe, Value TermRecipe::*option, double value) {
  recipe.*option = static_cast<Value>(value);
  return recipe;
}

TermRecipe on_pair(TermRecipe recipe) {
  recipe.layer_mapping = {LayerRule::pairs, {{1, 1}}};
  return recipe;
}

std::map<std::string, at::Tensor> read_goldens() {
  const auto source = open_safetensors(test_data("objective/terms.safetensors"));
  std::map<std::string, at::Tensor> tensors;
  for (size_t i = 0; i < source->tensors().size(); ++i)
    tensors[source->tensors()[i].name] = source->read(i, source->tensors()[i].dtype, at::kCPU);
  return tensors;
}

class ObjectiveGoldens : public ::testing::TestWithParam<Case> {
 protected:
  std::map<std::string, at::Tensor> golden_ = read_goldens();
  at::Tensor leaf(const char* name) { return leaves_[name] = golden_.at(name).clone().requires_grad_(); }
  std::map<std::string, at::Tensor> leaves_;
};

TEST_P(ObjectiveGoldens, ValueAndGradientsEqualPyTorch) {
  const int64_t batch_rows = golden_.at("student.hidden").size(0), length = golden_.at("student.hidden").size(1);
  ForwardOutput student, teacher;
  student.final_hidden_BTD = leaf("student.hidden");
  student.head.weight_VD = leaf("student.head");
  student.hidden_BTD[1] = leaf("student.layer");
  student.attention_BHTT[1] = at::softmax(leaf("student.scores"), -1);
  teacher.final_hidden_BTD = golden_.at("teacher.hidden");
  teacher.head.weight_VD = golden_.at("teacher.head");
  teacher.hidden_BTD[1] = golden_.at("teacher.layer");
  teacher.attention_BHTT[1] = golden_.at("teacher.attention");
  const at::Tensor targets_BT = at::full({batch_rows * length}, -100, at::TensorOptions().dtype(at::kLong));
  targets_BT.index_copy_(0, golden_.at("kept"), golden_.at("targets"));
  const TokenBatch batch = make_batch(targets_BT.view({batch_rows, length}), std::vector<int64_t>(batch_rows, length));
  const int64_t vocab = student.head.vocab_size();
  Objective objective({GetParam().recipe}, {2, student.final_hidden_BTD.size(2), 2, vocab},
                      ModelShape{2, teacher.final_hidden_BTD.size(2), 3, vocab}, exact_options());
  if (!objective.parameters().empty()) {
    leaves_["projector"] = objective.parameters().front().tensor;
    leaves_["projector"].detach().copy_(golden_.at("projector"));
  }

  const at::Tensor values = objective.backward(student, &teacher, batch, {static_cast<double>(batch.num_kept), 12}, {});

  const std::string name = GetParam().name;
  EXPECT_LT(gap(values[0], golden_.at("value." + name)), 1e-12);
  int compared = 0;
  for (const auto& [leaf_name, tensor] : leaves_) {
    const auto expected = golden_.find("gradient." + name + "." + leaf_name);
    if (expected == golden_.end()) continue;
    ASSERT_TRUE(tensor.grad().defined()) << leaf_name;
    EXPECT_LT(gap(tensor.grad(), expected->second), 1e-12) << leaf_name;
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

using F = TermFunction;
INSTANTIATE_TEST_SUITE_P(
    Terms, ObjectiveGoldens,
    ::testing::Values(Case{"kl", term(F::kl)}, Case{"kl_t2", term(F::kl, 1, 2)},
                      Case{"kl_t2_plain", without_t_squared(term(F::kl, 1, 2))}, Case{"reverse_kl", term(F::reverse_kl)},
                      Case{"jsd_0", term(F::jsd, 1, 1, 0)}, Case{"jsd_0.1", term(F::jsd, 1, 1, 0.1)},
                      Case{"jsd_0.5", term(F::jsd, 1, 1, 0.5)}, Case{"jsd_1", term(F::jsd, 1, 1, 1)},
                      Case{"jsd_0.7_t3", term(F::jsd, 1, 3, 0.7)},
                      Case{"symmetric_kl", with(term(F::symmetric_kl), &TermRecipe::ratio, 0.3)},
                      Case{"skew_kl", with(term(F::skew_kl), &TermRecipe::alpha, 0.1)},
                      Case{"skew_reverse_kl_t2", with(term(F::skew_reverse_kl, 1, 2), &TermRecipe::alpha, 0.25)},
                      Case{"adaptive_kl", term(F::adaptive_kl)}, Case{"adaptive_kl_t3", term(F::adaptive_kl, 1, 3)},
                      Case{"tvd_t2", term(F::tvd, 1, 2)}, Case{"logit_mse", term(F::logit_mse)},
                      Case{"top_k_kl", with(term(F::top_k_kl), &TermRecipe::top_k, 7)},
                      Case{"top_k_reverse_kl_t2", with(term(F::top_k_reverse_kl, 1, 2), &TermRecipe::top_k, 3)},
                      Case{"uld", term(F::uld)}, Case{"cross_entropy", term(F::cross_entropy)},
                      Case{"cross_entropy_smooth", with(term(F::cross_entropy), &TermRecipe::label_smoothing, 0.1)},
                      Case{"cross_entropy_z", with(term(F::cross_entropy), &TermRecipe::z_loss, 1e-2)},
                      Case{"hidden_mse", on_pair(term(F::hidden_mse))}, Case{"hidden_cosine", on_pair(term(F::hidden_cosine))},
                      Case{"attention_mse", on_pair(term(F::attention_mse))}));

}  // namespace
