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

#include "distill/core/error.h"
#include "distill/core/file.h"
#include "distill/core/log.h"
#include "distill/core/random.h"
#include "distill/tensor/dtype.h"
#include "distill/tensor/shape.h"

namespace distill {

void WeightMap::add(WeightRow row, at::Tensor tensor) {
  index_[row.ours] = rows_.size();
  rows_.push_back(std::move(row));
  tensors_.push_back(std::move(tensor));
}

void WeightMap::make_casts() {
  while (kept_.size() < rows_.size()) kept_.push_back(std::make_shared<KeptCast>());
}

size_t WeightMap::place_of(const std::string& ours) const {
  const auto found = index_.find(ours);
  if (found == index_.end()) throw Bug("the weight rows have no `" + ours + "`");
  return found->second;
}

const at::Tensor& WeightMap::get(const std::string& ours) const { return tensors_[place_of(ours)]; }
const std::shared_ptr<KeptCast>& WeightMap::kept(const std::string& ours) const { return kept_.at(place_of(ours)); }

at::Tensor WeightMap::get_or_none(const std::string& ours) const {
  const auto found = index_.find(ours);
  return found == index_.end() ? at::Tensor() : tensors_[found->second];
}

const WeightRow* WeightMap::row_or_none(const std::string& ours) const {
  const auto found = index_.find(ours);
  return found == index_.end() ? nullptr : &rows_[found->second];
}

namespace {

// "a, b, c and 7 more"
std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
  return text;
}

// What no row asked for.
void sort_surplus(const ModelSpec& spec, const std::vector<TensorMeta>& tensors, const std::vector<bool>& taken,
                  WeightMatch& match) {
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (taken[i]) continue;
    switch (kind_of_surplus(spec, tensors[i].name)) {
      case Surplus::tied_head:
        match.tied_head = i;
        break;
      case Surplus::buffer:
      case Surplus::other_head:
        match.unread.push_back(tensors[i].name);
        break;
      case Surplus::foreign:
        match.foreign.push_back(tensors[i].name);
        break;
    }
  }
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

void report(const TensorSource& source, const Findings& findings, at::ScalarType dtype, Narrowing overflow) {
  if (!findings.not_finite.empty())
    throw InputError({source.where(), "finite weights", "NaN or infinity in " + listed(findings.not_finite),
                      "The checkpoint is damaged or its training diverged: use another one.", ""});
  if (findings.overflowed.empty()) return;
  const std::string names = listed(findings.overflowed), word = dtype_word(dtype);
  if (overflow == Narrowing::refused)
    throw InputError(
        {source.where(), "values that " + word + " can hold", "larger ones in " + names, "Choose bfloat16 or float32.", ""});
  log::warn(source.where() + ": values became infinite as " + word + " in " + names + ". Use bfloat16 or float32.");
}

void warn_of_other_tied_head(const TensorSource& source, size_t copy, const at::Tensor& embedding) {
  if (source.tensors()[copy].shape == embedding.sizes().vec() &&
      at::equal(source.read(copy, embedding.scalar_type(), embedding.device()), embedding))
    return;
  log::warn(source.where() + ": " + source.tensors()[copy].name +
            " differs from the embedding, but config.json ties them; the embedding is used.");
}

}  // namespace

WeightMatch match_weights(const ModelSpec& spec, const std::vector<WeightRow>& rows, const std::vector<TensorMeta>& tensors) {
  std::unordered_map<std::string, size_t> index;
  for (size_t i = 0; i < tensors.size(); ++i) index[tensors[i].name] = i;
  WeightMatch match;
  std::vector<bool> taken(tensors.size(), false);
  for (const WeightRow& row : rows) {
    match.places.emplace_back();
    for (const std::string& name : checkpoint_names(spec, row)) {
      const auto found = index.find(name);
      if (found == index.end()) continue;
      match.places.back() = found->second;
      taken[found->second] = true;
      const TensorMeta& meta = tensors[found->second];
      if (meta.shape != row.shape)
        match.misshapen.push_back(name + " is " + shape_text(meta.shape) + " instead of " + shape_text(row.shape));
      break;
    }
    if (!match.places.back() && !row.carried) match.missing.push_back(row.theirs);
  }
  sort_surplus(spec, tensors, taken, match);
  return match;
}

WeightMatch checked_match(const ModelSpec& spec, const std::vector<WeightRow>& rows, const TensorSource& source) {
  WeightMatch match = match_weights(spec, rows, source.tensors());
  if (!match.unread.empty())
    log::info(source.where() + ": not read, as config.json or the task has no use for it: " + listed(match.unread));
  if (match.fits()) return match;
  std::string found;
  const auto say = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) found += (found.empty() ? "" : "; ") + std::to_string(names.size()) + " " + what + ": " + listed(names);
  };
  say("missing", match.missing);
  say("misshapen", match.misshapen);
  say("extra", match.foreign);
  throw InputError({source.where(),
                    "the " + std::to_string(rows.size()) + " tensors that config.json describes (" + spec.model_type + ", " +
                        std::to_string(spec.num_layers) + " layers, hidden size " + std::to_string(spec.hidden_size) + ")",
                    found,
                    "Check that config.json and the weights belong to the same model; `distill inspect` lists the tensors.", ""});
}

WeightMap read_weights(const ModelSpec& spec, const TensorSource& source, const LoadOptions& options, Narrowing overflow) {
  std::vector<WeightRow> rows = weight_rows(spec);
  const WeightMatch match = checked_match(spec, rows, source);
  WeightMap weights;
  Findings findings;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!match.places[i]) continue;
    const at::Tensor tensor = source.read(*match.places[i], options.dtype, options.device);
    examine(source, *match.places[i], tensor, findings);
    weights.add(std::move(rows[i]), tensor);
  }
  report(source, findings, options.dtype, overflow);
  if (match.tied_head) warn_of_other_tied_head(source, *match.tied_head, weights.get("embedding.weight"));
  for (size_t i = 0; i < weights.rows().size(); ++i)
    weights.tensor(i).set_requires_grad(options.trainable && !weights.rows()[i].carried);
  return weights;
}

namespace {

bool is_norm(const std::string& ours) { return ours.find("norm") != std::string::npos; }

at::Tensor fresh(const ModelSpec& spec, uint64_t seed, const WeightRow& row) {
  const auto type = at::TensorOptions().dtype(at::kFloat);
  if (row.ours.ends_with(".bias")) return at::full(row.shape, 0.0, type);
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
    if (row.carried) continue;
    at::Tensor tensor = fresh(spec, seed, row).to(options.device, options.dtype);
    weights.add(std::move(row), tensor.set_requires_grad(options.trainable));
  }
  return weights;
}

}  // namespace distill
