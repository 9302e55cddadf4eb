// Weights by our names, as the rows of the spec say. Tensors keep the shape that the checkpoint gives them, so the row that
// loads also saves.
#pragma once

#include <ATen/core/TensorBody.h>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "distill/model/transformer.h"
#include "distill/spec/spec.h"
#include "distill/tensor/kept_cast.h"
#include "distill/tensor/source.h"

namespace distill {

class WeightMap {
 public:
  void add(WeightRow row, at::Tensor tensor);
  // By our name. Bug when the spec has no such row.
  const at::Tensor& get(const std::string& ours) const;
  // Undefined when the spec has no such row.
  at::Tensor get_or_none(const std::string& ours) const;
  const WeightRow* row_or_none(const std::string& ours) const;
  const std::vector<WeightRow>& rows() const { return rows_; }
  const at::Tensor& tensor(size_t index) const { return tensors_[index]; }
  // A place for a copy of each weight, which keeps nothing until it is told to. Made when all weights are there: small blocks
  // between large ones that come and go while these are read would scatter the heap.
  void make_casts();
  const std::shared_ptr<KeptCast>& kept(size_t index) const { return kept_.at(index); }
  const std::shared_ptr<KeptCast>& kept(const std::string& ours) const;

 private:
  size_t place_of(const std::string& ours) const;

  std::vector<WeightRow> rows_;
  std::vector<at::Tensor> tensors_;
  std::vector<std::shared_ptr<KeptCast>> kept_;
  std::unordered_map<std::string, size_t> index_;
};

// Which tensor of a source holds which weight, by all names that checkpoints use (spec.h, checkpoint_names).
struct WeightMatch {
  std::vector<std::optional<size_t>> places;  // of weight_rows(spec), in source.tensors()
  std::vector<std::string> missing, misshapen, foreign;
  std::vector<std::string> unread;  // buffers that follow from config.json, heads of other tasks
  std::optional<size_t> tied_head;  // a copy of a head that is the embedding
  bool fits() const { return missing.empty() && misshapen.empty() && foreign.empty(); }
};
WeightMatch match_weights(const ModelSpec& spec, const std::vector<WeightRow>& rows, const std::vector<TensorMeta>& tensors);
// The same for a whole model. InputError names all missing, extra and misshapen tensors at once; tells what the task leaves
// unread.
WeightMatch checked_match(const ModelSpec& spec, const std::vector<WeightRow>& rows, const TensorSource& source);

// What becomes of values that are infinite in the type asked for: told in the log, or an InputError.
enum class Narrowing { warned, refused };
// Every row read from the source. InputError names all missing, extra and misshapen tensors at once before anything is read,
// then all tensors that are not finite. Values that overflow in a narrower type are counted and named.
WeightMap read_weights(const ModelSpec& spec, const TensorSource& source, const LoadOptions& options,
                       Narrowing overflow = Narrowing::warned);
// Matrices N(0, initializer_range), biases zero, norms one (zero for rms_plus_one), keyed by (seed, their name, element).
WeightMap fresh_weights(const ModelSpec& spec, uint64_t seed, const LoadOptions& options);

}  // namespace distill
