#include "safetensors_reader.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ne.h>

#include <algorithm>
#include <map>

#include "distill/checkpoint/safetensors.h"
#include "distill/core/error.h"
#include "distill/tensor/dtype.h"

namespace distill {
namespace {

constexpr int64_t kPieceBytes = int64_t{16} << 20;

// Bytes that are neither 0 nor 1 are no value of a C++ bool: they are read as numbers first.
at::ScalarType storage_type(at::ScalarType stored) { return stored == at::kBool ? at::kByte : stored; }

void check_conversion(const TensorMeta& meta, at::ScalarType dtype) {
  if (c10::isComplexType(meta.dtype) && !c10::isComplexType(dtype))
    throw InputError({meta.file + ": tensor \"" + meta.name + "\"", "real numbers", std::string(safetensors_word(meta.dtype)),
                      "Complex weights cannot become " + dtype_word(dtype) + ": choose another checkpoint.", ""});
}

// Converts piece by piece, so that only one piece of the stored form is alive beside the result.
void read_converted(const ReadFile& file, uint64_t offset, const TensorMeta& meta, at::Tensor& into_flat) {
  const auto item = static_cast<int64_t>(c10::elementSize(meta.dtype));
  const int64_t piece = std::min(kPieceBytes / item, into_flat.numel());
  const at::Tensor stored = at::empty({piece}, at::TensorOptions(storage_type(meta.dtype)));
  for (int64_t begin = 0; begin < into_flat.numel(); begin += piece) {
    const int64_t count = std::min(piece, into_flat.numel() - begin);
    const at::Tensor part = stored.narrow(0, 0, count);
    file.read_at(offset + static_cast<uint64_t>(begin * item), part.data_ptr(), static_cast<uint64_t>(count * item));
    into_flat.narrow(0, begin, count).copy_(meta.dtype == at::kBool ? part.ne(0) : part);
  }
}

}  // namespace

void SafetensorsSource::add_file(const std::filesystem::path& path) {
  files_.push_back(std::make_unique<ReadFile>(path));
  std::map<std::string_view, const TensorMeta*> known;
  for (const TensorMeta& meta : tensors_) known[meta.name] = &meta;
  std::vector<SafetensorsEntry> entries = read_safetensors_header(*files_.back()).entries;
  for (const SafetensorsEntry& entry : entries) {
    if (const auto twice = known.find(entry.meta.name); twice != known.end())
      throw InputError({path.string(), "every tensor in one file only",
                        "\"" + entry.meta.name + "\", which is also in " + twice->second->file,
                        "Take the checkpoint again from its source.", ""});
  }
  for (SafetensorsEntry& entry : entries) {
    places_.push_back({files_.back().get(), entry.offset});
    tensors_.push_back(std::move(entry.meta));
  }
}

at::Tensor SafetensorsSource::read(size_t index, at::ScalarType dtype, at::Device device) const {
  const at::NoGradGuard no_grad;
  const TensorMeta& meta = tensors_.at(index);
  const Place& place = places_.at(index);
  check_conversion(meta, dtype);
  at::Tensor result = at::empty(meta.shape, at::TensorOptions(dtype).device(device));
  if (result.numel() == 0) return result;
  if (dtype == storage_type(meta.dtype) && dtype == meta.dtype && device.is_cpu()) {
    place.file->read_at(place.offset, result.data_ptr(), meta.bytes);
  } else {
    at::Tensor flat = result.view({-1});
    read_converted(*place.file, place.offset, meta, flat);
  }
  return result;
}

std::unique_ptr<TensorSource> open_safetensors(const std::filesystem::path& file) {
  auto source = std::make_unique<SafetensorsSource>(file.string());
  source->add_file(file);
  return source;
}

std::map<std::string, std::string> safetensors_metadata(const std::filesystem::path& file) {
  return read_safetensors_header(ReadFile(file)).metadata;
}

}  // namespace distill
