// TorchScript models as teachers and students against PyTorch (scripts/goldens/make_torchscript.py): answers in every form,
// gradients, tied weights, saving, and what is refused.
#include "distill/teacher/script.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/safetensors.h"
#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/model/transformer.h"
#include "distill/objective/objective.h"

#include "paths.h"

using namespace distill;
using namespace distill::test;
using testing::HasSubstr;

namespace {

fs::path script(const std::string& name) { return test_data("torchscript/" + name + ".pt"); }

class Script : public testing::Test {
 protected:
  Script() {
    const auto source = open_safetensors(test_data("torchscript/golden.safetensors"));
    for (size_t i = 0; i < source->tensors().size(); ++i)
      golden_[source->tensors()[i].name] = source->read(i, source->tensors()[i].dtype, at::kCPU);
    batch_.ids_BT = golden_.at("ids");
    const at::Tensor& mask = golden_.at("mask");
    batch_.documents_BT = mask - 1;
    batch_.positions_BT = at::arange(mask.size(1)).expand(mask.sizes()) * mask;
    batch_.num_tokens = mask.sum().item<int64_t>();
    root_ = fs::temp_directory_path() / ("distill_script_" + std::to_string(getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~Script() override { fs::remove_all(root_); }

  static std::unique_ptr<Teacher> teacher(const fs::path& path, DTypeChoice dtype = DTypeChoice::automatic) {
    TeacherRecipe recipe;
    recipe.path = path.string();
    recipe.trust = Trust::torchscript;
    recipe.dtype = dtype;
    return open_teacher(recipe, at::kFloat, at::kCPU);
  }
  static ScriptModel student(const fs::path& path, at::ScalarType dtype = at::kFloat) {
    return ScriptModel::open(path, {at::kCPU, dtype, /*trainable=*/true});
  }
  // The largest difference on tokens; scripts without a mask see the padding, which is after them.
  double gap_on_tokens(const at::Tensor& found_BTX, const std::string& name) const {
    const at::Tensor rows = golden_.at("mask").reshape({-1}).nonzero().squeeze(1);
    const auto pick = [&](const at::Tensor& x) { return x.to(at::kDouble).reshape({-1, x.size(2)}).index_select(0, rows); };
    return (pick(found_BTX) - pick(golden_.at(name))).abs().max().item<double>();
  }
  static Needs everything() {
    Needs needs;
    needs.logits = true;
    needs.hidden_layers = {0, 1, 2};
    needs.attention_layers = {1, 2};
    return needs;
  }

  std::map<std::string, at::Tensor> golden_;
  TokenBatch batch_;
  fs::path root_;
};

TEST_F(Script, ATeacherGivesLogitsHiddenStatesAndAttentionMaps) {
  for (const char* form : {"everything", "dictionary"}) {
    const auto model = teacher(script(form));
    EXPECT_EQ(model->spec().vocab_size, 48);
    EXPECT_EQ(model->spec().num_layers, 2);
    EXPECT_EQ(model->spec().hidden_size, 12);
    EXPECT_EQ(model->spec().num_heads, 3);
    const ForwardOutput output = model->forward(batch_, everything());
    EXPECT_LT(gap_on_tokens(output.logits_BTV(), "logits"), 1e-5) << form;
    for (const int64_t layer : {0, 1, 2})
      EXPECT_LT(gap_on_tokens(output.hidden_BTD.at(layer), "hidden." + std::to_string(layer)), 1e-5) << form << layer;
    for (const int64_t layer : {1, 2}) {
      const at::Tensor& found = output.attention_BHTT.at(layer);
      const at::Tensor expected = golden_.at("attention." + std::to_string(layer)) * golden_.at("mask").unsqueeze(1).unsqueeze(3);
      EXPECT_LT((found - expected).abs().max().item<double>(), 1e-5) << form << layer;
    }
    EXPECT_FALSE(output.final_hidden_BTD.requires_grad());
  }
}

TEST_F(Script, EveryFormOfAnswerIsRead) {
  struct Form {
    const char* name;
    int64_t num_layers, hidden_size, num_heads;
  };
  // `cuda` was saved on a GPU; `frozen` has its weights in its code; `named` has the logits second, by name.
  for (const Form& form : {Form{"logits", 0, 0, 0}, Form{"traced", 2, 12, 0}, Form{"named", 2, 0, 3}, Form{"cuda", 0, 0, 0},
                           Form{"frozen", 0, 0, 0}}) {
    const auto model = teacher(script(form.name));
    EXPECT_EQ(model->spec().num_layers, form.num_layers) << form.name;
    EXPECT_EQ(model->spec().hidden_size, form.hidden_size) << form.name;
    EXPECT_EQ(model->spec().num_heads, form.num_heads) << form.name;
    Needs logits;
    logits.logits = true;
    EXPECT_LT(gap_on_tokens(model->forward(batch_, logits).logits_BTV(), "logits"), 1e-5) << form.name;
  }
  EXPECT_EQ(teacher(script("frozen"))->num_parameters(), 0);
  EXPECT_GT(teacher(script("logits"))->num_parameters(), 48 * 12);
}

TEST_F(Script, ATeacherComputesInItsOwnTypeOrInTheOneOfTheRecipe) {
  Needs logits;
  logits.logits = true;
  const auto type = [&](const char* name, DTypeChoice dtype) {
    const at::Tensor found = teacher(script(name), dtype)->forward(batch_, logits).final_hidden_BTD;
    EXPECT_LT(gap_on_tokens(found, "logits"), 0.1) << name;
    return found.scalar_type();
  };
  EXPECT_EQ(type("half", DTypeChoice::automatic), at::kHalf);
  EXPECT_EQ(type("half", DTypeChoice::float32), at::kFloat);
  EXPECT_EQ(type("logits", DTypeChoice::bfloat16), at::kBFloat16);
}

TEST_F(Script, OneKlStepHasTheGradientsOfPyTorch) {
  const ScriptModel learner = student(script("tied"), at::kDouble);
  const ScriptModel master = ScriptModel::open(script("everything"), {at::kCPU, at::kDouble, false});
  TokenBatch batch = batch_;
  batch.kept_N = golden_.at("kept");
  batch.kept_targets_N = at::zeros_like(batch.kept_N);
  batch.num_kept = batch.kept_N.numel();
  TermRecipe kl;
  kl.function = TermFunction::kl;
  kl.temperature = 2;
  ObjectiveOptions options;
  options.master_dtype = options.compute_dtype = at::kDouble;
  const ModelShape shape{0, 0, 0, 48};
  Objective objective({kl}, shape, shape, options);
  const ForwardOutput from_teacher = master.forward(batch, objective.teacher_needs(), {});
  const ForwardOutput from_student = learner.forward(batch, objective.student_needs(), {});
  const at::Tensor value = objective.backward(from_student, &from_teacher, batch, {static_cast<double>(batch.num_kept), 0}, {});
  EXPECT_NEAR(value.item<double>(), golden_.at("kl").item<double>(), 1e-12);
  size_t compared = 0;
  for (const auto& [name, gradient] : golden_) {
    if (name.rfind("gradient.", 0) != 0) continue;
    ++compared;
    const NamedTensor* found = nullptr;
    for (const NamedTensor& one : learner.parameters())
      if ("gradient." + one.name == name) found = &one;
    ASSERT_NE(found, nullptr) << name;
    EXPECT_LT((found->tensor.grad() - gradient).abs().max().item<double>(), 1e-12) << name;
  }
  EXPECT_EQ(compared, learner.parameters().size()) << "tied weights are one parameter";
}

TEST_F(Script, AStudentIsSavedWithItsWeightsAndStaysTied) {
  const ScriptModel learner = student(script("tied"));
  {
    const at::NoGradGuard no_grad;
    for (const NamedTensor& one : learner.parameters()) one.tensor.add_(0.25);
  }
  save_model_folder(root_ / "saved", [&](const fs::path& folder) { learner.script().save(folder / kTorchScriptFile, {}); });
  const ScriptModel again = student(root_ / "saved");
  ASSERT_EQ(again.parameters().size(), learner.parameters().size());
  for (size_t i = 0; i < again.parameters().size(); ++i) {
    EXPECT_EQ(again.parameters()[i].name, learner.parameters()[i].name);
    EXPECT_TRUE(at::equal(again.parameters()[i].tensor, learner.parameters()[i].tensor)) << again.parameters()[i].name;
    EXPECT_TRUE(again.parameters()[i].tensor.requires_grad());
  }
  Needs logits;
  logits.logits = true;
  const at::Tensor before = learner.forward(batch_, logits, {}).final_hidden_BTD;
  EXPECT_TRUE(at::equal(again.forward(batch_, logits, {}).final_hidden_BTD, before));
}

TEST_F(Script, AStudentTrainsInFloat32AndIsSavedAsItWasStored) {
  const ScriptModel learner = student(script("half"));
  for (const NamedTensor& one : learner.parameters()) EXPECT_EQ(one.tensor.scalar_type(), at::kFloat);
  learner.script().save(root_ / "half.pt", {});
  learner.script().save(root_ / "wide.pt", at::kFloat);
  EXPECT_EQ(TorchScript::load(root_ / "half.pt", at::kCPU).parameters()[0].tensor.scalar_type(), at::kHalf);
  EXPECT_EQ(TorchScript::load(root_ / "wide.pt", at::kCPU).parameters()[0].tensor.scalar_type(), at::kFloat);
  for (const NamedTensor& one : learner.parameters())
    EXPECT_EQ(one.tensor.scalar_type(), at::kFloat) << "saving leaves the live weights alone";
}

TEST_F(Script, WhatIsNoUsableScriptIsRefusedByName) {
  write_file_atomically(root_ / "text.pt", "no zip at all");
  const std::string whole = read_file(script("logits"));
  write_file_atomically(root_ / "cut.pt", std::string_view(whole).substr(0, whole.size() / 2));
  const std::vector<std::pair<fs::path, std::string>> cases = {
      {root_ / "absent.pt", "nothing there"},
      {root_, "a folder without model.pt"},
      {root_ / "text.pt", "no zip archive"},
      {root_ / "cut.pt", "does not load"},
      {script("no_script"), "constants.pkl"},
      {script("nonsense"), "int without logits"},
      {script("last_position"), "logits of shape [2, 48]"},
      {script("one_length"), "takes input_ids [3, 7]"},
      {script("wants_more"), "`images`"},
  };
  for (const auto& [path, words] : cases) {
    try {
      teacher(path);
      ADD_FAILURE() << path << " was opened";
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr(words)) << path;
      EXPECT_THAT(error.what(), HasSubstr(path.filename().string())) << path;
    }
  }
}

TEST_F(Script, AFrozenModuleIsNoStudent) {
  try {
    student(script("frozen"));
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("torch.jit.freeze turns parameters into constants"));
  }
}

}  // namespace
