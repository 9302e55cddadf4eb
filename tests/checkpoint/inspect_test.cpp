// What `distill inspect` prints of a checkpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "distill/checkpoint/safetensors.h"
#include "distill/cli/verbs_inspect.h"
#include "distill/core/json_reader.h"

#include "files.h"
#include "paths.h"

namespace distill {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string printed(const fs::path& path, bool json) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(run_inspect({path, json}), 0);
  return testing::internal::GetCapturedStdout();
}

TEST(Inspect, PrintsEveryTensorAsJson) {
  const test::TemporaryFolder folder;
  at::Tensor bad = at::zeros({2, 3}, at::kBFloat16);
  bad[0][0] = std::numeric_limits<double>::infinity();
  write_safetensors(folder / "a.safetensors", {{"bad", bad}, {"ids", at::arange(4)}});
  const Json out = parse_json(printed(folder / "a.safetensors", true), "stdout");
  ASSERT_EQ(out["tensors"].size(), 2u);
  EXPECT_EQ(out["tensors"][0]["name"], "ids");
  EXPECT_EQ(out["tensors"][0]["dtype"], "I64");
  EXPECT_EQ(out["tensors"][0]["bytes"], 32);
  EXPECT_EQ(out["tensors"][0]["finite"], true);
  EXPECT_EQ(out["tensors"][1]["dtype"], "BF16");
  EXPECT_EQ(out["tensors"][1]["shape"], Json::array({2, 3}));
  EXPECT_EQ(out["tensors"][1]["finite"], false);
  EXPECT_EQ(out["tensors"][1]["non_finite"], 1);
  EXPECT_EQ(out["finite"], false);
  EXPECT_EQ(out["bytes"], 44);
  EXPECT_TRUE(out["config"].is_null());
}

TEST(Inspect, PrintsATableForPeople) {
  const std::string text = printed(test::test_data("checkpoint/sharded"), false);
  EXPECT_THAT(text, AllOf(HasSubstr("embed.weight"), HasSubstr("BF16"), HasSubstr("[4, 3]"), HasSubstr("4 tensors"),
                          HasSubstr("all finite")));
}

TEST(Inspect, ComparesTheTensorsWithTheConfig) {
  const test::TemporaryFolder folder;
  const Json config = {{"architectures", {"LlamaForCausalLM"}},
                       {"vocab_size", 8},
                       {"hidden_size", 4},
                       {"intermediate_size", 6},
                       {"num_hidden_layers", 1},
                       {"num_attention_heads", 2}};
  test::write_bytes(folder / "config.json", config.dump());
  write_safetensors(
      folder / "model.safetensors",
      {{"model.norm.weight", at::zeros({5})}, {"model.extra", at::zeros({1})}, {"lm_head.weight", at::zeros({8, 4})}});
  const Json out = parse_json(printed(folder.path(), true), "stdout");
  EXPECT_EQ(out["config"]["misshapen"], Json::array({"model.norm.weight is [5] instead of [4]"}));
  EXPECT_EQ(out["config"]["unexpected"], Json::array({"model.extra"}));
  EXPECT_EQ(out["config"]["missing"].size(), 10u);
}

TEST(Inspect, ShowsTheTensorsOfAnUnknownArchitectureToo) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "config.json", R"({"architectures":["NewForCausalLM"]})");
  write_safetensors(folder / "model.safetensors", {{"a", at::zeros({1})}});
  EXPECT_THAT(printed(folder.path(), false), AllOf(HasSubstr("NewForCausalLM"), HasSubstr("1 tensors")));
}

}  // namespace
}  // namespace distill
