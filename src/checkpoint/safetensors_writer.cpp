// Writes a safetensors file as the reference library does, byte for byte: the same order, header and padding.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <set>

#include "distill/checkpoint/safetensors.h"
#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/json_reader.h"
#include "distill/tensor/dtype.h"

#include "safetensors_header.h"

namespace distill {
namespace {

constexpr int64_t kPieceElements = int64_t{1} << 22;

struct Item {
  const NamedTensor* named;
  at::ScalarType dtype;
  uint64_t bytes;
};

// The order of the reference's types: larger alignment first keeps every tensor aligned behind an aligned header.
int type_rank(at::ScalarType dtype) {
  static constexpr std::string_view kAscending[] = {"BOOL",        "U8",  "I8",  "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ",
                                                    "F8_E5M2FNUZ", "I16", "U16", "F16",     "BF16",    "I32",     "U32",
                                                    "F32",         "C64", "F64", "I64",     "U64"};
  const auto* found = std::find(std::begin(kAscending), std::end(kAscending), safetensors_word(dtype));
  return static_cast<int>(found - std::begin(kAscending));
}

at::ScalarType target_type(const at::Tensor& tensor, const SafetensorsOptions& options) {
  const at::ScalarType stored = tensor.scalar_type();
  const bool converts =
      options.dtype && (stored == at::kFloat || stored == at::kHalf || stored == at::kBFloat16 || stored == at::kDouble);
  return converts ? *options.dtype : stored;
}

std::vector<Item> sorted_items(const std::vector<NamedTensor>& tensors, const SafetensorsOptions& options) {
  std::vector<Item> items;
  std::set<std::string_view> names;
  for (const NamedTensor& named : tensors) {
    if (!named.tensor.defined() || named.tensor.layout() != at::kStrided)
      throw Bug("tensor \"" + named.name + "\" cannot be saved: it is not dense");
    if (named.name == "__metadata__" || !names.insert(named.name).second)
      throw Bug("tensor \"" + named.name + "\" cannot be saved under this name");
    const at::ScalarType dtype = target_type(named.tensor, options);
    if (safetensors_word(dtype).empty())
      throw Bug("tensor \"" + named.name + "\" cannot be saved: safetensors has no type " + dtype_word(dtype));
    items.push_back({&named, dtype, static_cast<uint64_t>(named.tensor.numel()) * c10::elementSize(dtype)});
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    const int rank_a = type_rank(a.dtype), rank_b = type_rank(b.dtype);
    return rank_a != rank_b ? rank_a > rank_b : a.named->name < b.named->name;
  });
  return items;
}

std::string header_bytes(const std::vector<Item>& items, const SafetensorsOptions& options) {
  Json header = Json::object();
  if (!options.metadata.empty()) header["__metadata__"] = options.metadata;
  uint64_t offset = 0;
  for (const Item& item : items) {
    header[item.named->name] = {{"dtype", safetensors_word(item.dtype)},
                                {"shape", item.named->tensor.sizes().vec()},
                                {"data_offsets", {offset, offset + item.bytes}}};
    offset += item.bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kMaxSafetensorsHeader) throw Bug("a safetensors header of " + std::to_string(text.size()) + " bytes");
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(text.size() >> (8 * i));
  return bytes + text;
}

// Piece by piece: a conversion or a copy from a GPU holds one piece at a time.
void write_tensor(WriteFile& out, const at::Tensor& tensor, at::ScalarType dtype) {
  const at::Tensor flat = tensor.resolve_conj().resolve_neg().contiguous().view({-1});
  for (int64_t begin = 0; begin < flat.numel(); begin += kPieceElements) {
    const at::Tensor part = flat.narrow(0, begin, std::min(kPieceElements, flat.numel() - begin)).to(at::Device(at::kCPU), dtype);
    out.write(part.data_ptr(), static_cast<uint64_t>(part.numel()) * part.element_size());
  }
}

}  // namespace

void write_safetensors(const std::filesystem::path& file, const std::vector<NamedTensor>& tensors,
                       const SafetensorsOptions& options) {
  const at::NoGradGuard no_grad;
  const std::vector<Item> items = sorted_items(tensors, options);
  WriteFile out(file);
  out.write(header_bytes(items, options));
  for (const Item& item : items) write_tensor(out, item.named->tensor, item.dtype);
  out.close();
}

}  // namespace distill
