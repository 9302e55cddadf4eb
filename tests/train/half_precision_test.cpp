// float16 with a teacher whose residual stream passes float16's largest number, as those of real models do.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "train/run_fixture.h"

namespace distill {
namespace {

// Channel 0 of every token starts at 4e4, and the first block adds `added` to it: its normed input is the same for all tokens,
// sqrt(hidden) along channel 0 and next to nothing beside.
void save_loud_teacher(const fs::path& folder, double added) {
  const at::NoGradGuard no_grad;
  const Json config = tiny_config(24, 3);
  const Transformer model = Transformer::initialise(read_spec(config, "teacher"), 1, {});
  std::map<std::string, at::Tensor> weights;
  for (const NamedTensor& one : model.parameters()) weights[one.name] = one.tensor;
  weights.at("model.embed_tokens.weight").select(1, 0).fill_(4e4);
  weights.at("model.layers.0.mlp.gate_proj.weight").select(1, 0).fill_(1);
  weights.at("model.layers.0.mlp.up_proj.weight").select(1, 0).fill_(1);
  const double loud = std::sqrt(24.0), gated = loud / (1 + std::exp(-loud)) * loud;
  weights.at("model.layers.0.mlp.down_proj.weight").select(0, 0).fill_(added / (48 * gated));
  // A head that reads what is left of the other channels: logits stay small.
  weights.at("model.norm.weight")[0].fill_(0);
  save_hf_folder(folder, config, model.parameters(), {});
}

class HalfPrecision : public Runs {
 protected:
  std::string train_with_loud_teacher(double added) {
    write_rows("train.jsonl", {20, 17, 25, 9, 31});
    save_loud_teacher(root_ / "teacher", added);
    log::configure(log::Level::warn, "never");
    testing::internal::CaptureStderr();
    result_ = train(recipe("data: {train: [{path: " + (root_ / "train.jsonl").string() +
                               "}], sequence_length: 64}\n"
                               "objective: [{function: kl}, {function: hidden_cosine, weight: 0.1}]\n"
                               "train: {length: 4 steps, batch_size: 2, precision: float16}\noutput: " +
                               (root_ / "run").string(),
                           {"teacher.dtype=float16"}));
    return testing::internal::GetCapturedStderr();
  }
  TrainResult result_;
};

TEST_F(HalfPrecision, ATeacherWhoseResidualStreamReaches7e4TrainsInFloat16AndIsReported) {
  const std::string words = train_with_loud_teacher(3e4);
  EXPECT_TRUE(result_.finished);
  EXPECT_EQ(result_.skipped_updates, 0);
  for (const Json& step : steps_of(root_ / "run")) {
    EXPECT_TRUE(step["loss"].is_number()) << step;
    EXPECT_GT(step["loss"].get<double>(), 0) << step;
  }
  const std::string told = "the teacher's residual stream reaches ";
  ASSERT_NE(words.find(told), std::string::npos) << words;
  EXPECT_NEAR(std::stod(words.substr(words.find(told) + told.size())), 7e4, 100) << words;
  EXPECT_NE(words.find("after block "), std::string::npos) << words;
  EXPECT_NE(words.find("kept in float32"), std::string::npos) << words;
}

TEST_F(HalfPrecision, AQuietTeacherIsNotReported) {
  EXPECT_EQ(train_with_loud_teacher(1e3).find("residual stream"), std::string::npos);
}

// A product inside a block is float16: what passes 65504 there is infinite, and the run says where.
TEST_F(HalfPrecision, ABlockThatOverflowsInsideStopsTheRunAndIsNamed) {
  try {
    train_with_loud_teacher(1e5);
    FAIL() << "an infinite teacher trained";
  } catch (const DivergedError& error) {
    testing::internal::GetCapturedStderr();
    EXPECT_NE(std::string(error.what()).find("from block 1 on"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace distill
