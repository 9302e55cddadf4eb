// Folders of SAELens against what SAELens itself computes (scripts/goldens/make_sae.py), and what is refused of them.
#include "distill/objective/sae_lens.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <filesystem>

#include "distill/checkpoint/open.h"
#include "distill/checkpoint/safetensors.h"
#include "distill/core/file.h"
#include "distill/core/json_reader.h"
#include "distill/objective/autoencoder.h"

#include "paths.h"

namespace distill {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kWidth = 7, kFeatures = 13;
constexpr SaeTeacher kTeacher{kWidth, 4};

fs::path cases_folder() { return test::test_data("objective") / "sae"; }

SaeRecipe at_path(const fs::path& path) {
  SaeRecipe recipe;
  recipe.path = path.string();
  return recipe;
}

ExaminedAutoencoder examined(const SaeRecipe& recipe, const SaeTeacher& teacher = kTeacher) {
  return examine_autoencoder(recipe, *open_weights(sae_weights_file(recipe.path)), teacher);
}

// All faults as "key: text" in one string.
std::string faults_of(const SaeRecipe& recipe, const SaeTeacher& teacher = kTeacher) {
  std::string text;
  for (const SaeFault& fault : examined(recipe, teacher).faults) text += fault.key + ": " + fault.complaint.text() + "\n";
  return text;
}

double gap(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(SaeLens, EveryKindOfFolderComputesWhatSaeLensComputes) {
  size_t cases = 0;
  for (const auto& entry : fs::directory_iterator(cases_folder())) {
    const std::string name = entry.path().filename().string();
    const auto golden = open_safetensors(entry.path() / "golden.safetensors");
    std::map<std::string, at::Tensor> expected;
    for (size_t i = 0; i < golden->tensors().size(); ++i)
      expected[golden->tensors()[i].name] = golden->read(i, at::kDouble, at::kCPU);
    for (const fs::path& path : {entry.path(), entry.path() / "sae_weights.safetensors"}) {
      const SaeRecipe recipe = at_path(path);
      const ExaminedAutoencoder found = examined(recipe);
      ASSERT_EQ(faults_of(recipe), "") << name;
      EXPECT_EQ(found.layer, name == "old_topk" ? 1 : 2) << name;
      const Autoencoder autoencoder =
          read_autoencoder(found.plan, *open_weights(sae_weights_file(recipe.path)), at::TensorOptions().dtype(at::kDouble));
      const at::Tensor rows = expected.at("rows").clone().requires_grad_();
      const at::Tensor features = autoencoder.encode(rows);
      EXPECT_LT(gap(features.detach(), expected.at("features")), 1e-10) << name;
      torch::autograd::backward({(features * expected.at("probe")).sum()}, {});
      EXPECT_LT(gap(rows.grad(), expected.at("gradient")), 1e-10) << name;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 13u);
}

// A copy of a golden folder whose cfg.json may be changed.
class Folder {
 public:
  explicit Folder(const std::string& from) : path_(fs::temp_directory_path() / ("distill_sae_" + std::to_string(getpid()))) {
    fs::remove_all(path_);
    fs::copy(cases_folder() / from, path_);
    config_ = read_json_file((path_ / "cfg.json").string());
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  SaeRecipe with(const char* key, const Json& value) const {
    Json changed = config_;
    changed[key] = value;
    write_file_atomically(path_ / "cfg.json", changed.dump());
    return at_path(path_);
  }
  SaeRecipe with_hook(const std::string& hook) const { return with("metadata", {{"hook_name", hook}}); }
  SaeRecipe unchanged() const { return with("device", "cpu"); }
  fs::path path() const { return path_; }

 private:
  fs::path path_;
  Json config_;
};

TEST(SaeLens, WhatIsNotKnownIsRefusedByName) {
  const Folder folder("topk");
  EXPECT_THAT(faults_of(folder.with("architecture", "temporal")),
              AllOf(HasSubstr("cfg.json"), HasSubstr("`temporal`"), HasSubstr("gated")));
  EXPECT_THAT(faults_of(folder.with("normalize_activations", "covariance_whitening")), HasSubstr("`covariance_whitening`"));
  EXPECT_THAT(faults_of(folder.with("activation_fn", "tanh-relu")), HasSubstr("`tanh-relu`"));
  EXPECT_THAT(faults_of(folder.with("k", nullptr)), HasSubstr("`k` of the architecture topk"));
  EXPECT_THAT(faults_of(folder.with("k", "many")), HasSubstr("whole number above 0"));
  EXPECT_THAT(faults_of(folder.with("k", 99)), HasSubstr("at least as many features as `k` (99)"));
  EXPECT_THAT(faults_of(folder.with("hook_head_index", 3)), HasSubstr("single attention head"));
  EXPECT_THAT(faults_of(folder.with("model_from_pretrained_kwargs", {{"center_writing_weights", true}})),
              HasSubstr("center_writing_weights"));
  EXPECT_THAT(faults_of(folder.with("d_sae", 14)), AllOf(HasSubstr("d_sae 14"), HasSubstr("[7, 13]")));
  EXPECT_THAT(faults_of(folder.with("apply_b_dec_to_input", "yes")), HasSubstr("true or false"));
  for (const char* hook : {"blocks.1.attn.hook_z", "blocks.1.hook_mlp_out", "hook_embed", "blocks.x.hook_resid_post"})
    EXPECT_THAT(faults_of(folder.with_hook(hook)), HasSubstr("`" + std::string(hook) + "`")) << hook;
}

TEST(SaeLens, TheHookSaysWhichHiddenStateIsRead) {
  const Folder folder("standard");
  for (const auto& [hook, layer] : std::map<std::string, int64_t>{{"blocks.0.hook_resid_pre", 0},
                                                                  {"blocks.0.hook_resid_post", 1},
                                                                  {"blocks.2.hook_resid_post", 3},
                                                                  {"model.layers.1", 2},
                                                                  {"transformer.h.0", 1}}) {
    EXPECT_EQ(examined(folder.with_hook(hook)).layer, layer) << hook;
    EXPECT_EQ(faults_of(folder.with_hook(hook)), "") << hook;
  }
  // Behind the last block Hugging Face gives the state only after the final norm.
  EXPECT_THAT(faults_of(folder.with_hook("blocks.3.hook_resid_post")), HasSubstr("final norm"));
  EXPECT_THAT(faults_of(folder.with_hook("blocks.9.hook_resid_post")), HasSubstr("teacher layers 0 to 4"));
  SaeRecipe recipe = folder.with("hook_layer", 1);
  EXPECT_EQ(faults_of(recipe), "");
  EXPECT_THAT(faults_of(folder.with("hook_layer", 2)), HasSubstr("`hook_name` and `hook_layer`"));
  recipe = folder.unchanged();
  recipe.layer = 2;
  EXPECT_EQ(faults_of(recipe), "");
  recipe.layer = 1;
  EXPECT_THAT(faults_of(recipe), AllOf(HasSubstr("layer: "), HasSubstr("blocks.1.hook_resid_post"), HasSubstr("`layer: 1`")));
  EXPECT_THAT(faults_of(folder.with("metadata", Json::object())), HasSubstr("the hidden state that it reads"));
}

TEST(SaeLens, ARecipeThatContradictsTheFolderIsToldSo) {
  const Folder folder("topk");
  SaeRecipe recipe = folder.unchanged();
  recipe.k = 4;
  recipe.center = false;
  recipe.activation = SaeActivation::relu;
  EXPECT_THAT(faults_of(recipe), AllOf(HasSubstr("k: 3"), HasSubstr("apply_b_dec_to_input: true"), HasSubstr("`topk`")));
  recipe = folder.unchanged();
  recipe.k = 3;
  recipe.center = true;
  recipe.activation = SaeActivation::topk;
  EXPECT_EQ(faults_of(recipe), "");
  recipe.scale = 2;
  EXPECT_THAT(faults_of(recipe), HasSubstr("`scale` only for"));
}

TEST(SaeLens, AScaleThatNobodyKnowsIsAskedFor) {
  const Folder folder("expected_average");
  SaeRecipe recipe = folder.unchanged();
  EXPECT_EQ(examined(recipe).plan.scale, 0.37);
  fs::remove(folder.path() / "activation_scaler.json");
  EXPECT_THAT(faults_of(recipe),
              AllOf(HasSubstr("scale: "), HasSubstr("expected_average_only_in"), HasSubstr("sae: {scale: ...}")));
  recipe.scale = 0.37;
  EXPECT_EQ(faults_of(recipe), "");
  EXPECT_EQ(examined(recipe).plan.scale, 0.37);
}

TEST(SaeLens, EveryMistakeIsToldAtOnce) {
  const Folder folder("gated");
  SaeRecipe recipe = folder.with("normalize_activations", "whatever");
  recipe.layer = 3;
  const std::string text = faults_of(recipe, {kWidth + 1, 4});
  EXPECT_THAT(text, AllOf(HasSubstr("`whatever`"), HasSubstr("layer: "), HasSubstr("width 8")));
}

TEST(SaeLens, AnUnknownTeacherIsNoFault) {
  EXPECT_EQ(faults_of(at_path(cases_folder() / "gated"), {}), "");
  EXPECT_THAT(examined(at_path(cases_folder() / "gated"), {}).faults, IsEmpty());
}

}  // namespace
}  // namespace distill
