// The forward verb: what a model computes on given rows, for comparison with other implementations.
#pragma once

#include <filesystem>
#include <string>

namespace distill {

struct ForwardOptionsCli {
  std::filesystem::path model;   // Hugging Face folder, or a hub id of the local cache
  std::filesystem::path input;   // JSON Lines: {"input_ids": [..]} or {"text": ".."}
  std::filesystem::path output;  // safetensors
  bool hidden = false;
  bool attentions = false;
  std::string dtype = "float32";  // of weights and products
  std::string device = "auto";
};

// Runs every line as a batch of one and writes row{i}.logits [T, V] (classifiers: [C]; embedding models: row{i}.embedding [D]
// instead), and when asked for row{i}.hidden_states.{l} [T, D] (l = 0
// embeddings .. L after the final norm) and row{i}.attentions.{l} [H, T, T] (l = 0 is the first block): float32, or float64 with
// that dtype. The output appears under its name only when it is complete. InputError names the file and the line; returns 0.
int run_forward(const ForwardOptionsCli& options);

}  // namespace distill
