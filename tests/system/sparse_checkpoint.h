// Large checkpoints that take no space: the tensors are holes in sparse files, so every weight reads as zero.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace distill::test {

struct SparseTensor {
  std::string name;
  std::vector<int64_t> shape;
  uint64_t bytes() const;  // as float16
};

struct SparseLlama {
  int64_t hidden_size, feed_forward, num_layers, num_heads, vocab_size;
  std::vector<SparseTensor> tensors() const;
  std::string config() const;  // config.json
};

enum class SparseForm { safetensors, torch_zip };

// config.json and float16 weights: one file, or `num_files` shards with their index.
void write_sparse_folder(const std::filesystem::path& folder, const SparseLlama& model, SparseForm form, size_t num_files);

}  // namespace distill::test
