#include "system/tiny.h"

#include <gtest/gtest.h>

#include <sstream>

#include "distill/core/random.h"
#include "distill/core/units.h"

namespace distill::test {

std::string tiny_config(int64_t hidden_size, int64_t num_layers, int64_t vocab_size, double initializer_range) {
  const auto number = [](int64_t value) { return std::to_string(value); };
  return "{model_type: llama, architectures: [LlamaForCausalLM], vocab_size: " + number(vocab_size) +
         ", hidden_size: " + number(hidden_size) + ", num_hidden_layers: " + number(num_layers) +
         ", num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: " + number(2 * hidden_size) +
         ", max_position_embeddings: 64, rms_norm_eps: 1e-5, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: 2, "
         "initializer_range: " +
         number_text(initializer_range) + "}";
}

std::string token_rows(int64_t count, int64_t shortest, int64_t longest, uint64_t seed, int64_t vocab_size) {
  std::string lines;
  uint64_t next = 0;
  const auto draw = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(uniform(random_key({seed}), next++) * static_cast<double>(high - low + 1));
  };
  for (int64_t row = 0; row < count; ++row) {
    Json ids = Json::array();
    for (int64_t i = draw(shortest, longest); i > 0; --i) ids.push_back(draw(3, vocab_size - 1));
    lines += Json{{"input_ids", ids}}.dump() + "\n";
  }
  return lines;
}

void make_teacher(const Workplace& place, const std::string& init, int64_t sequence_length) {
  place.write("teacher.yaml", "student: {init: {" + init +
                                  "}}\n"
                                  "data: {train: [{path: rows.jsonl}], sequence_length: " +
                                  std::to_string(sequence_length) +
                                  "}\n"
                                  "objective: [{function: cross_entropy}]\n"
                                  "train: {length: 1 steps, device: cpu}\n"
                                  "output: runs/teacher\n");
  const Outcome made = place.run({"train", "teacher.yaml", "--progress", "none"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  std::filesystem::copy(place.file("runs/teacher/student"), place.file("teacher"));
}

void prepare_tiny(const Workplace& place) {
  place.write("rows.jsonl", token_rows(40, 6, 30, 1));
  place.write("held.jsonl", token_rows(8, 6, 30, 2));
  make_teacher(place, "config: " + tiny_config(32, 3, 48, 0.5));
}

std::string tiny_recipe(const std::string& output) {
  return "teacher: {path: teacher}\n"
         "student: {init: {config: " +
         tiny_config(16, 2) +
         "}}\n"
         "data: {train: [{path: rows.jsonl}], eval: [{path: held.jsonl}], sequence_length: 32}\n"
         "objective: [{function: kl}, {function: cross_entropy, weight: 0.5}]\n"
         "optimizer: {learning_rate: 1e-2}\n"
         "train: {length: 12 steps, batch_size: 2, device: cpu, save_every: 4 steps}\n"
         "output: " +
         output + "\n";
}

std::map<int64_t, Json> logged_steps(const Workplace& place, const std::string& output) {
  std::map<int64_t, Json> steps;
  std::istringstream lines(place.read(output + "/log.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const Json event = Json::parse(line);
    if (event["event"] == "step") steps[event["step"].get<int64_t>()] = event;
  }
  return steps;
}

}  // namespace distill::test
