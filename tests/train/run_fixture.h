// Tiny models and data in a temporary folder, and runs over them through the path of `distill train`.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <ATen/core/TensorBody.h>

#include <sstream>
#include <string>
#include <vector>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/safetensors.h"
#include "distill/cli/train.h"
#include "distill/core/file.h"
#include "distill/core/log.h"
#include "distill/core/random.h"
#include "distill/model/transformer.h"

namespace distill {

constexpr int64_t kTestVocabulary = 61;

inline Json tiny_config(int64_t hidden, int64_t layers) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", hidden},
          {"num_hidden_layers", layers},
          {"num_attention_heads", 2},
          {"num_key_value_heads", 1},
          {"intermediate_size", 2 * hidden},
          {"vocab_size", kTestVocabulary},
          {"max_position_embeddings", 256},
          {"rms_norm_eps", 1e-6},
          {"tie_word_embeddings", true},
          {"initializer_range", 0.2},
          {"bos_token_id", 1},
          {"eos_token_id", 2}};
}

class Runs : public testing::Test {
 protected:
  void SetUp() override {
    log::configure(log::Level::error, "never");
    root_ = fs::temp_directory_path() / ("distill_runs_" + std::to_string(getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_);
    save_model("teacher", tiny_config(24, 3), 1);
    save_model("student", tiny_config(16, 2), 2);
  }
  void TearDown() override {
    fs::remove_all(root_);
    log::configure(log::Level::info, "never");
  }

  void save_model(const std::string& name, const Json& config, uint64_t seed) {
    const ModelSpec spec = read_spec(config, name);
    const Transformer model = Transformer::initialise(spec, seed, {});
    save_hf_folder(root_ / name, config, model.parameters(), {});
  }

  // Rows of the given lengths with keyed random ids.
  void write_rows(const std::string& name, const std::vector<int64_t>& lengths, uint64_t key = 5) {
    std::string text;
    for (size_t row = 0; row < lengths.size(); ++row) {
      Json ids = Json::array();
      for (int64_t t = 0; t < lengths[row]; ++t)
        ids.push_back(3 + mix_bits(key + 1000 * row + static_cast<uint64_t>(t)) % (kTestVocabulary - 3));
      text += Json{{"input_ids", ids}}.dump() + "\n";
    }
    write_file_atomically(root_ / name, text);
  }

  LoadedRecipe recipe(const std::string& extra, const std::vector<std::string>& overrides = {}) const {
    std::string yaml =
        "teacher: {path: " + (root_ / "teacher").string() + "}\nstudent: {path: " + (root_ / "student").string() + "}\n" + extra;
    return parse_recipe(yaml, "test.yaml", overrides);
  }

  static TrainResult train(const LoadedRecipe& loaded, TrainOptions options = {}) {
    options.progress = ProgressStyle::none;
    return run_training(loaded, options);
  }

  static std::vector<Json> steps_of(const fs::path& output) {
    std::vector<Json> steps;
    std::istringstream text(read_file(output / "log.jsonl"));
    for (std::string line; std::getline(text, line);) {
      const Json json = parse_json(line, "log.jsonl");
      if (json["event"] != "step") continue;
      while (!steps.empty() && steps.back()["step"] >= json["step"]) steps.pop_back();  // the last line of a step counts
      steps.push_back(json);
    }
    return steps;
  }

  static std::string bytes_of_checkpoint(const fs::path& output, const std::string& step, const std::string& file) {
    return sha256_file(output / "checkpoints" / ("step-" + step) / file);
  }

  fs::path root_;
};

}  // namespace distill
