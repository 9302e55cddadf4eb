#include "stored_source.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ne.h>

#include <algorithm>
#include <map>

#include "distill/core/error.h"
#include "distill/tensor/dtype.h"

#include "safetensors_header.h"
#include "torch_archive.h"

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

// A run of elements of one stored type in a file. Only one piece of the stored form is alive beside the result.
class Elements {
 public:
  Elements(const ReadFile& file, uint64_t offset, at::ScalarType dtype)
      : file_(file), offset_(offset), dtype_(dtype), item_(static_cast<int64_t>(c10::elementSize(dtype))) {}

  // Elements that follow each other into the flat `into`, converted.
  void read_flat(const at::Tensor& into) const {
    const int64_t piece = std::min(kPieceBytes / item_, into.numel());
    const at::Tensor buffer = buffer_of(piece);
    for (int64_t begin = 0; begin < into.numel(); begin += piece) {
      const at::Tensor part = buffer.narrow(0, 0, std::min(piece, into.numel() - begin));
      fill(part, begin);
      into.narrow(0, begin, part.size(0)).copy_(values_of(part));
    }
  }

  // The view with these strides that begins at element `first`. A view that spans more than a piece is halved along the axis that
  // spans most.
  void read_strided(int64_t first, const std::vector<int64_t>& strides, const at::Tensor& into) const {
    int64_t span = 1, widest = 0, axis = -1;
    for (int64_t a = 0; a < into.dim(); ++a) {
      const int64_t extent = (into.size(a) - 1) * strides[a];
      span += extent;
      if (into.size(a) > 1 && (axis < 0 || extent > widest)) widest = extent, axis = a;
    }
    if (span * item_ <= kPieceBytes || axis < 0) {
      const at::Tensor part = buffer_of(span);
      fill(part, first);
      into.copy_(values_of(part.as_strided(into.sizes(), strides)));
      return;
    }
    const int64_t half = into.size(axis) / 2;
    read_strided(first, strides, into.narrow(axis, 0, half));
    read_strided(first + half * strides[axis], strides, into.narrow(axis, half, into.size(axis) - half));
  }

 private:
  at::Tensor buffer_of(int64_t count) const { return at::empty({count}, at::TensorOptions(storage_type(dtype_))); }
  void fill(const at::Tensor& part, int64_t first) const {
    file_.read_at(offset_ + static_cast<uint64_t>(first * item_), part.data_ptr(), static_cast<uint64_t>(part.numel() * item_));
  }
  at::Tensor values_of(const at::Tensor& part) const { return dtype_ == at::kBool ? part.ne(0) : part; }

  const ReadFile& file_;
  uint64_t offset_;
  at::ScalarType dtype_;
  int64_t item_;
};

}  // namespace

std::optional<uint64_t> dense_bytes(const std::vector<int64_t>& shape, at::ScalarType dtype) {
  // Sizes of 0 count as 1 here, so that no stride of the tensor can overflow either.
  int64_t total = static_cast<int64_t>(c10::elementSize(dtype));
  bool empty = false;
  for (const int64_t size : shape) {
    empty = empty || size == 0;
    if (__builtin_mul_overflow(total, std::max<int64_t>(size, 1), &total)) return std::nullopt;
  }
  return empty ? 0 : static_cast<uint64_t>(total);
}

void StoredSource::add(std::unique_ptr<ReadFile> file, std::vector<StoredTensor> tensors) {
  std::map<std::string_view, const std::string*> known;
  for (const TensorMeta& meta : tensors_) known[meta.name] = &meta.file;
  for (const StoredTensor& stored : tensors) {
    const auto [place, fresh] = known.emplace(stored.meta.name, &stored.meta.file);
    if (!fresh)
      throw InputError({file->path().string(), "every tensor once",
                        "\"" + stored.meta.name + "\", which is also in " + *place->second,
                        "Take the checkpoint again from its source.", ""});
  }
  files_.push_back(std::move(file));
  for (StoredTensor& stored : tensors) {
    places_.push_back({files_.back().get(), stored.offset, std::move(stored.strides)});
    tensors_.push_back(std::move(stored.meta));
  }
}

void StoredSource::add_safetensors(const std::filesystem::path& path) {
  auto file = std::make_unique<ReadFile>(path);
  std::vector<StoredTensor> tensors = read_safetensors_header(*file).entries;
  add(std::move(file), std::move(tensors));
}

void StoredSource::add_torch_zip(const std::filesystem::path& path) {
  auto file = std::make_unique<ReadFile>(path);
  TorchArchive archive = read_torch_archive(*file);
  add(std::move(file), std::move(archive.tensors));
  left_out_.insert(left_out_.end(), archive.left_out.begin(), archive.left_out.end());
}

at::Tensor StoredSource::read(size_t index, at::ScalarType dtype, at::Device device) const {
  const at::NoGradGuard no_grad;
  const TensorMeta& meta = tensors_.at(index);
  const Place& place = places_.at(index);
  check_conversion(meta, dtype);
  at::Tensor result = at::empty(meta.shape, at::TensorOptions(dtype).device(device));
  if (result.numel() == 0) return result;
  const Elements elements(*place.file, place.offset, meta.dtype);
  if (!place.strides.empty()) {
    elements.read_strided(0, place.strides, result);
  } else if (dtype == storage_type(meta.dtype) && dtype == meta.dtype && device.is_cpu()) {
    place.file->read_at(place.offset, result.data_ptr(), meta.bytes);
  } else {
    elements.read_flat(result.view({-1}));
  }
  return result;
}

}  // namespace distill
