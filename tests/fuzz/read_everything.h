// What the verbs do with a model that a user names, as far as the rooms core, spec, tensor and checkpoint go: open, read every
// tensor, read the config, hold the weights against it. For the sanitizer driver and the fuzz targets; no GoogleTest here.
#pragma once

#include <ATen/core/TensorBody.h>

#include <filesystem>
#include <map>
#include <string>

#include "distill/checkpoint/hf_folder.h"
#include "distill/checkpoint/open.h"
#include "distill/core/error.h"
#include "distill/spec/spec.h"
#include "distill/tensor/shape.h"
#include "distill/tensor/source.h"
#include "distill/tensor/summary.h"

namespace distill::test {

constexpr uint64_t kMaxTensorBytes = uint64_t{64} << 20;  // views of a few bytes may be expanded to more than a machine has

// Every tensor twice: as it is stored, and converted. InputError when one is not finite.
inline void read_tensors(const TensorSource& source, bool refuse_not_finite) {
  for (size_t i = 0; i < source.tensors().size(); ++i) {
    const TensorMeta& meta = source.tensors()[i];
    if (meta.bytes > kMaxTensorBytes) continue;
    const at::Tensor stored = source.read(i, meta.dtype, at::kCPU);
    if (!c10::isComplexType(meta.dtype)) source.read(i, at::kFloat, at::kCPU);
    const bool can_be_bad = c10::isFloatingType(meta.dtype) || c10::isComplexType(meta.dtype);
    const int64_t not_finite = can_be_bad ? count_non_finite(stored) : 0;
    if (refuse_not_finite && not_finite > 0)
      throw InputError({source.where(), "finite weights", "NaN or infinity in " + meta.name, "Use another checkpoint.", ""});
  }
}

// The first tensor that is missing, misshapen or extra.
inline void check_fit(const ModelSpec& spec, const TensorSource& source) {
  std::map<std::string, std::vector<int64_t>> found;
  for (const TensorMeta& meta : source.tensors()) found[meta.name] = meta.shape;
  const auto refuse = [&](const std::string& what) {
    throw InputError({source.where(), "the tensors that config.json describes", what, "Take both from one model.", ""});
  };
  for (const WeightRow& row : weight_rows(spec)) {
    const auto place = found.find(row.theirs);
    if (place == found.end()) refuse("missing: " + row.theirs);
    if (place->second != row.shape) refuse("misshapen: " + row.theirs + " " + shape_text(place->second));
    found.erase(place);
  }
  if (!found.empty()) refuse("extra: " + found.begin()->first);
}

inline void read_everything(const std::filesystem::path& path) {
  const bool folder = std::filesystem::is_directory(path) && std::filesystem::exists(path / "config.json");
  const auto source = open_weights(path);
  if (folder || !std::filesystem::is_directory(path)) read_tensors(*source, folder);
  if (!std::filesystem::is_directory(path)) return;
  check_fit(read_spec(read_hf_config(path), (path / "config.json").string()), *source);
}

}  // namespace distill::test
