// Tensors that lie in one or several open safetensors files.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "distill/core/file.h"

#include "safetensors_header.h"

namespace distill {

class SafetensorsSource : public TensorSource {
 public:
  explicit SafetensorsSource(std::string where) : where_(std::move(where)) {}
  // Adds the tensors of one more file; InputError when a name is there already.
  void add_file(const std::filesystem::path& file);

  const std::vector<TensorMeta>& tensors() const override { return tensors_; }
  at::Tensor read(size_t index, at::ScalarType dtype, at::Device device) const override;
  std::string where() const override { return where_; }

 private:
  struct Place {
    const ReadFile* file;
    uint64_t offset;
  };
  std::string where_;
  std::vector<std::unique_ptr<ReadFile>> files_;
  std::vector<TensorMeta> tensors_;
  std::vector<Place> places_;
};

}  // namespace distill
