// Tensors that lie in one or several open files, whatever the format: each is a run of bytes with a type, a shape and strides.
// The formats (safetensors_header, torch_zip) find and check those runs; reading and converting them happens here alone.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distill/core/file.h"
#include "distill/tensor/source.h"

namespace distill {

// Checked: every element lies in the file.
struct StoredTensor {
  TensorMeta meta;
  uint64_t offset = 0;           // of the first element, in bytes from the start of the file
  std::vector<int64_t> strides;  // in elements; empty: the elements follow each other
};

class StoredSource : public TensorSource {
 public:
  explicit StoredSource(std::string where) : where_(std::move(where)) {}
  // Adds the tensors of one more file; InputError when a name is there already.
  void add_safetensors(const std::filesystem::path& file);
  void add_torch_zip(const std::filesystem::path& file);

  const std::vector<TensorMeta>& tensors() const override { return tensors_; }
  at::Tensor read(size_t index, at::ScalarType dtype, at::Device device) const override;
  std::string where() const override { return where_; }
  const std::vector<std::string>& left_out() const override { return left_out_; }

 private:
  struct Place {
    const ReadFile* file;
    uint64_t offset;
    std::vector<int64_t> strides;
  };
  void add(std::unique_ptr<ReadFile> file, std::vector<StoredTensor> tensors);

  std::string where_;
  std::vector<std::unique_ptr<ReadFile>> files_;
  std::vector<TensorMeta> tensors_;
  std::vector<Place> places_;
  std::vector<std::string> left_out_;
};

// Bytes of a dense tensor; nullopt when they, or a stride, cannot be counted in 63 bits.
std::optional<uint64_t> dense_bytes(const std::vector<int64_t>& shape, at::ScalarType dtype);

inline constexpr size_t kMaxRank = 64;  // torch's own limit

}  // namespace distill
