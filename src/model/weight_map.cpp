// Weights by our names: checks against the source's list first, then reads tensor by tensor.
#include "distill/model/weight_map.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>

#include <cmath>
#include <sstream>

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/log.h"
#include "distill/core/random.h"

namespace distill {

void WeightMap::add(WeightRow row, at::Tensor tensor) {
  index_[row.ours] = rows_.size();
  rows_.push_back(std::move(row));
  tensors_.push_back(std::move(tensor));
}

const at::Tensor& WeightMap::get(const std::string& ours) const {
  const auto found = index_.find(ours);
  if (found == index_.end()) throw Bug("the weight rows have no `" + ours + "`");
  return tensors_[found->second];
}

at::Tensor WeightMap::get_or_none(const std::string& ours) const {
  const auto found = index_.find(ours);
  return found == index_.end() ? at::Tensor() : tensors_[found->second];
}

const WeightRow* WeightMap::row_or_none(const std::string& ours) const {
  const auto found = index_.find(ours);
  return found == index_.end() ? nullptr : &rows_[found->second];
}

namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::ostringstream text;
  for (size_t i = 0; i < shape.size(); ++i) text << (i ? ", " : "[") << shape[i];
  text << (shape.empty() ? "[]" : "]");
  return text.str();
}

// "a, b, c and 7 more"
std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
  return text;
}

using MetaIndex = std::unordered_map<std::string, size_t>;

MetaIndex index_of(const TensorSource& source) {
  MetaIndex index;
  for (size_t i = 0; i < source.tensors().size(); ++i) index[source.tensors()[i].name] = i;
  return index;
}

bool ends_with(const std::string& text, const std::string& tail) {
  return text.size() >= tail.size() && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

// Old checkpoints carry buffers that follow from the config, and a copy of a tied head.
bool known_surplus(const ModelSpec& spec, const std::string& name) {
  return ends_with(name, "rotary_emb.inv_freq") || (spec.tie_embeddings && name == "lm_head.weight");
}

void check_names(const ModelSpec& spec, const std::vector<WeightRow>& rows, const TensorSource& source, const MetaIndex& index) {
  std::vector<std::string> missing, extra, misshapen;
  std::unordered_map<std::string, bool> wanted;
  for (const WeightRow& row : rows) {
    wanted[row.theirs] = true;
    const auto found = index.find(row.theirs);
    if (found == index.end()) {
      missing.push_back(row.theirs);
    } else if (const TensorMeta& meta = source.tensors()[found->second]; meta.shape != row.shape) {
      misshapen.push_back(row.theirs + " is " + shape_text(meta.shape) + " instead of " + shape_text(row.shape));
    }
  }
  for (const TensorMeta& meta : source.tensors())
    if (!wanted.count(meta.name) && !known_surplus(spec, meta.name)) extra.push_back(meta.name);
  if (missing.empty() && extra.empty() && misshapen.empty()) return;
  std::string found;
  const auto say = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) found += (found.empty() ? "" : "; ") + std::to_string(names.size()) + " " + what + ": " + listed(names);
  };
  say("missing", missing);
  say("misshapen", misshapen);
  say("extra", extra);
  throw InputError({source.where(),
                    "the " + std::to_string(rows.size()) + " tensors that config.json describes (" + spec.model_type + ", " +
                        std::to_string(spec.num_layers) + " layers, hidden size " + std::to_string(spec.hidden_size) + ")",
                    found,
                    "Check that config.json and the weights belong to the same model; `distill inspect` lists the tensors.", ""});
}

bool all_finite(const at::Tensor& tensor) {
  if (tensor.numel() == 0) return true;
  const auto [low, high] = at::aminmax(tensor);
  return std::isfinite(low.item<double>()) && std::isfinite(high.item<double>());
}

int64_t count_not_finite(const at::Tensor& tensor) { return tensor.numel() - at::isfinite(tensor).sum().item<int64_t>(); }

// What conversion and checkpoint did to values: filled while reading, told at the end.
struct Findings {
  std::vector<std::string> not_finite, overflowed;
};

void examine(const TensorSource& source, size_t index, const at::Tensor& tensor, Findings& findings) {
  if (all_finite(tensor)) return;
  const TensorMeta& meta = source.tensors()[index];
  const at::Tensor stored = source.read(index, meta.dtype, at::kCPU);
  const int64_t broken = count_not_finite(stored);
  if (broken > 0) {
    findings.not_finite.push_back(meta.name + " (" + std::to_string(broken) + " of " + std::to_string(stored.numel()) + ")");
  } else {
    findings.overflowed.push_back(meta.name + " (" + std::to_string(count_not_finite(tensor)) + ")");
  }
}

void report(const TensorSource& source, const Findings& findings, at::ScalarType dtype) {
  if (!findings.not_finite.empty())
    throw InputError({source.where(), "finite weights", "NaN or infinity in " + listed(findings.not_finite),
                      "The checkpoint is damaged or its training diverged: use another one.", ""});
  if (!findings.overflowed.empty())
    log::warn(source.where() + ": values became infinite as " + std::string(c10::toString(dtype)) + " in " +
              listed(findings.overflowed) + ". Use bfloat16 or float32.");
}

void warn_of_ignored_head(const ModelSpec& spec, const TensorSource& source, const MetaIndex& index, const WeightMap& weights) {
  const auto copy = index.find("lm_head.weight");
  if (!spec.tie_embeddings || copy == index.end() || weights.row_or_none("head.weight")) return;
  const at::Tensor& embedding = weights.get("embedding.weight");
  if (source.tensors()[copy->second].shape == embedding.sizes().vec() &&
      at::equal(source.read(copy->second, embedding.scalar_type(), embedding.device()), embedding))
    return;
  log::warn(source.where() + ": lm_head.weight differs from the embedding, but config.json ties them; the embedding is used.");
}

}  // namespace

WeightMap read_weights(const ModelSpec& spec, const TensorSource& source, const LoadOptions& options) {
  const MetaIndex index = index_of(source);
  std::vector<WeightRow> rows = weight_rows(spec);
  check_names(spec, rows, source, index);
  WeightMap weights;
  Findings findings;
  for (WeightRow& row : rows) {
    const size_t place = index.at(row.theirs);
    at::Tensor tensor = source.read(place, options.dtype, options.device);
    examine(source, place, tensor, findings);
    weights.add(std::move(row), tensor);
  }
  report(source, findings, options.dtype);
  warn_of_ignored_head(spec, source, index, weights);
  for (size_t i = 0; i < rows.size(); ++i) weights.tensor(i).set_requires_grad(options.trainable);
  return weights;
}

namespace {

bool is_norm(const std::string& ours) { return ours.find("norm") != std::string::npos; }

at::Tensor fresh(const ModelSpec& spec, uint64_t seed, const WeightRow& row) {
  const auto type = at::TensorOptions().dtype(at::kFloat);
  if (ends_with(row.ours, ".bias")) return at::full(row.shape, 0.0, type);
  if (is_norm(row.ours)) return at::full(row.shape, spec.norm == NormKind::rms_plus_one ? 0.0 : 1.0, type);
  at::Tensor tensor = at::empty(row.shape, type);
  float* data = tensor.mutable_data_ptr<float>();
  const uint64_t key = random_key({seed, hash_text(row.theirs)});
  at::parallel_for(0, tensor.numel(), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      data[i] = static_cast<float>(spec.initializer_range * normal(key, static_cast<uint64_t>(i)));
  });
  return tensor;
}

}  // namespace

WeightMap fresh_weights(const ModelSpec& spec, uint64_t seed, const LoadOptions& options) {
  WeightMap weights;
  for (WeightRow& row : weight_rows(spec)) {
    at::Tensor tensor = fresh(spec, seed, row).to(options.device, options.dtype);
    weights.add(std::move(row), tensor.set_requires_grad(options.trainable));
  }
  return weights;
}

}  // namespace distill
