// An adapter merged into its base, tensor by tensor, while they are read.
#include "distill/model/adapter.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <map>
#include <optional>

#include "distill/core/error.h"
#include "distill/model/weight_map.h"
#include "distill/tensor/shape.h"

#include "stored_weight.h"

namespace distill {
namespace {

constexpr std::string_view kWrapper = "base_model.model.";

// The tensors of one module, in the adapter. peft saves the module's own weight too when it is a head.
struct Pair {
  std::optional<size_t> a, b, own;
};
constexpr std::pair<std::string_view, std::optional<size_t> Pair::*> kEndings[] = {
    {".lora_A.weight", &Pair::a}, {".lora_B.weight", &Pair::b}, {".base_layer.weight", &Pair::own}};

std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kShown = 4;
  std::string text;
  for (size_t i = 0; i < names.size() && i < kShown; ++i) text += (i ? ", " : "") + names[i];
  return names.size() > kShown ? text + " and " + std::to_string(names.size() - kShown) + " more" : text;
}

// The A and B of every module, by the module's name in the base model.
std::map<std::string, Pair> pairs_of(const TensorSource& adapter) {
  std::map<std::string, Pair> pairs;
  std::vector<std::string> strange;
  for (size_t i = 0; i < adapter.tensors().size(); ++i) {
    const std::string& name = adapter.tensors()[i].name;
    bool known = false;
    for (const auto& [ending, member] : kEndings) {
      if (!name.starts_with(kWrapper) || !name.ends_with(ending)) continue;
      pairs[name.substr(kWrapper.size(), name.size() - ending.size() - kWrapper.size())].*member = i;
      known = true;
    }
    if (!known) strange.push_back(name);
  }
  if (!strange.empty())
    throw InputError({adapter.where(), "only base_model.model.MODULE.lora_A.weight and .lora_B.weight, of linear layers",
                      listed(strange), "Merge this adapter with peft (model.merge_and_unload()) and export the merged folder.",
                      ""});
  if (pairs.empty()) throw InputError({adapter.where(), "tensors of an adapter", "none", "Take the adapter again.", ""});
  return pairs;
}

class MergedSource : public TensorSource {
 public:
  MergedSource(const ModelSpec& spec, std::unique_ptr<TensorSource> base, std::unique_ptr<TensorSource> adapter,
               const LoraFacts& facts)
      : base_(std::move(base)), adapter_(std::move(adapter)), metas_(base_->tensors()), facts_(facts) {
    const std::vector<WeightRow> rows = weight_rows(spec);
    const WeightMatch match = checked_match(spec, rows, *base_);
    std::map<std::string, size_t> row_of;
    for (size_t i = 0; i < rows.size(); ++i)
      if (match.places[i] && rows[i].shape.size() == 2)
        for (const std::string& name : checkpoint_names(spec, rows[i])) row_of.emplace(name, i);
    std::vector<std::string> homeless;
    for (const auto& [module, pair] : pairs_of(*adapter_)) {
      const auto found = row_of.find(module + ".weight");
      if (found == row_of.end() || rows[found->second].ours == "embedding.weight") {
        homeless.push_back(module);
        continue;
      }
      add(module, pair, rows[found->second], *match.places[found->second]);
    }
    if (!homeless.empty())
      throw InputError({adapter_->where(), "adapters of linear layers of the base model, " + base_->where(), listed(homeless),
                        "Check that this adapter was trained on this base model.", ""});
  }

  [[nodiscard]] const std::vector<TensorMeta>& tensors() const override { return metas_; }
  [[nodiscard]] std::string where() const override { return base_->where() + " with " + adapter_->where(); }

  [[nodiscard]] at::Tensor read(size_t index, at::ScalarType dtype, at::Device device) const override {
    const auto found = merges_.find(index);
    if (found == merges_.end()) return base_->read(index, dtype, device);
    const at::NoGradGuard no_grad;
    const Merge& merge = found->second;
    const at::ScalarType wide = metas_[index].dtype;
    const at::Tensor a = read_stored(*adapter_, merge.a).to(wide), b = read_stored(*adapter_, merge.b).to(wide);
    const at::Tensor change = b.matmul(a).mul_(facts_.scale);
    at::Tensor weight = (merge.own ? read_stored(*adapter_, *merge.own) : read_stored(*base_, index)).to(wide);
    weight.add_(merge.turned ? change.t() : change);
    return weight.to(device, dtype);
  }

 private:
  struct Merge {
    size_t a = 0, b = 0;  // in the adapter: [r, in] and [out, r]
    bool turned = false;  // the base stores [in, out]
    std::optional<size_t> own;
  };

  void add(const std::string& module, const Pair& pair, const WeightRow& row, size_t place) {
    const auto shape = [&](const std::optional<size_t>& index) {
      return index ? adapter_->tensors()[*index].shape : std::vector<int64_t>{};
    };
    const bool turned = row.transform == WeightTransform::transpose;
    const std::vector<int64_t> a = shape(pair.a), b = shape(pair.b);
    const int64_t out = row.shape[turned ? 1 : 0], in = row.shape[turned ? 0 : 1];
    const bool fits = a.size() == 2 && b.size() == 2 && a[1] == in && b[0] == out && a[0] == b[1] && a[0] == facts_.rank &&
                      (!pair.own || shape(pair.own) == row.shape);
    if (!fits)
      throw InputError({adapter_->where() + ": " + module,
                        "lora_A " + shape_text({facts_.rank, in}) + " and lora_B " + shape_text({out, facts_.rank}),
                        (pair.a ? shape_text(a) : "no lora_A") + " and " + (pair.b ? shape_text(b) : "no lora_B"),
                        "Check that the adapter is complete and was trained on this base model.", ""});
    merges_[place] = {*pair.a, *pair.b, turned, pair.own};
    metas_[place].dtype = metas_[place].dtype == at::kDouble ? at::kDouble : at::kFloat;
    metas_[place].bytes = static_cast<uint64_t>(out * in) * c10::elementSize(metas_[place].dtype);
  }

  std::unique_ptr<TensorSource> base_, adapter_;
  std::vector<TensorMeta> metas_;
  std::map<size_t, Merge> merges_;
  LoraFacts facts_;
};

}  // namespace

std::unique_ptr<TensorSource> merge_adapter(const ModelSpec& spec, std::unique_ptr<TensorSource> base,
                                            std::unique_ptr<TensorSource> adapter, const LoraFacts& facts) {
  return std::make_unique<MergedSource>(spec, std::move(base), std::move(adapter), facts);
}

}  // namespace distill
