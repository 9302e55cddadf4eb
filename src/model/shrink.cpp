// The smaller model's checkpoint as a view of the larger one's.
#include "distill/model/shrink.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

#include <map>

#include "distill/core/error.h"
#include "distill/model/weight_map.h"
#include "distill/tensor/shape.h"

#include "stored_weight.h"
#include "weight_axes.h"

namespace distill {

namespace {

// Rows of all heads in `heads`, which begin with head 0 at `first` and stand `stride` rows apart, `length` rows of each.
void append(std::vector<int64_t>& rows, const std::vector<int64_t>& heads, int64_t first, int64_t stride, int64_t length) {
  for (const int64_t head : heads)
    for (int64_t k = 0; k < length; ++k) rows.push_back(first + head * stride + k);
}

// The indices of an axis that stay; those of `other` all do.
std::vector<int64_t> kept_on(Axis axis, const ModelSpec& teacher, const KeptParts& parts, const KeptBlock* block) {
  const int64_t K = teacher.head_size;
  std::vector<int64_t> rows;
  switch (axis) {
    case Axis::other:
      break;
    case Axis::channels:
      return parts.channels;
    case Axis::heads:
      append(rows, block->heads, 0, K, K);
      break;
    case Axis::kv_heads:
      append(rows, block->kv_heads, 0, K, K);
      break;
    case Axis::qkv:
      if (teacher.qkv == QkvLayout::per_head) {
        append(rows, block->heads, 0, 3 * K, 3 * K);
      } else {
        append(rows, block->heads, 0, K, K);
        append(rows, block->kv_heads, teacher.num_heads * K, K, K);
        append(rows, block->kv_heads, (teacher.num_heads + teacher.num_kv_heads) * K, K, K);
      }
      break;
    case Axis::units:
      return block->units;
    case Axis::gate_up:
      append(rows, block->units, 0, 1, 1);
      append(rows, block->units, teacher.intermediate_size, 1, 1);
      break;
  }
  return rows;
}

class CutSource : public TensorSource {
 public:
  CutSource(const ModelSpec& teacher, std::unique_ptr<TensorSource> source, const ModelSpec& student, const KeptParts& parts)
      : source_(std::move(source)) {
    const std::vector<WeightRow> rows = weight_rows(teacher);
    const WeightMatch match = match_weights(teacher, rows, source_->tensors());
    std::map<std::string, size_t> row_of;
    for (size_t i = 0; i < rows.size(); ++i) row_of[rows[i].ours] = i;
    for (const WeightRow& row : weight_rows(student)) {
      const int64_t layer = layer_of(row.ours);
      const KeptBlock* block = layer < 0 ? nullptr : &parts.blocks.at(static_cast<size_t>(layer));
      const size_t i = row_of.at(block ? in_layer(row.ours, block->layer) : row.ours);
      if (match.places[i]) add(row.theirs, *match.places[i], axes_of(rows[i]), teacher, parts, block, row.shape);
    }
    // A copy of the embedding is compared with it by the reader.
    if (match.tied_head) {
      const std::string& name = source_->tensors()[*match.tied_head].name;
      if (source_->tensors()[*match.tied_head].shape == std::vector<int64_t>{teacher.vocab_size, teacher.hidden_size})
        add(name, *match.tied_head, {Axis::other, Axis::channels}, teacher, parts, nullptr,
            {student.vocab_size, student.hidden_size});
    }
  }

  [[nodiscard]] const std::vector<TensorMeta>& tensors() const override { return metas_; }
  [[nodiscard]] std::string where() const override { return source_->where(); }

  [[nodiscard]] at::Tensor read(size_t index, at::ScalarType dtype, at::Device device) const override {
    const at::NoGradGuard no_grad;
    const Cut& cut = cuts_.at(index);
    at::Tensor tensor = read_stored(*source_, cut.place);
    for (size_t axis = 0; axis < cut.kept.size(); ++axis)
      if (cut.kept[axis].defined()) tensor = tensor.index_select(static_cast<int64_t>(axis), cut.kept[axis]);
    if (tensor.sizes() != metas_[index].shape)
      throw Bug("a cut of " + metas_[index].name + " is " + shape_text(tensor) + " instead of " +
                shape_text(metas_[index].shape));
    return tensor.to(device, dtype).contiguous();
  }

 private:
  struct Cut {
    size_t place = 0;              // in source_
    std::vector<at::Tensor> kept;  // int64 indices by axis; undefined: all
  };

  void add(const std::string& name, size_t place, const std::vector<Axis>& axes, const ModelSpec& teacher, const KeptParts& parts,
           const KeptBlock* block, const std::vector<int64_t>& shape) {
    const TensorMeta& whole = source_->tensors()[place];
    Cut cut{place, std::vector<at::Tensor>(axes.size())};
    uint64_t bytes = c10::elementSize(whole.dtype);
    for (size_t axis = 0; axis < axes.size(); ++axis) {
      bytes *= static_cast<uint64_t>(shape[axis]);
      if (shape[axis] != whole.shape[axis]) cut.kept[axis] = at::tensor(kept_on(axes[axis], teacher, parts, block), at::kLong);
    }
    cuts_.push_back(std::move(cut));
    metas_.push_back({name, whole.dtype, shape, bytes, whole.file});
  }

  std::unique_ptr<TensorSource> source_;
  std::vector<TensorMeta> metas_;
  std::vector<Cut> cuts_;
};

}  // namespace

std::unique_ptr<TensorSource> cut_weights(const ModelSpec& teacher, std::unique_ptr<TensorSource> source,
                                          const ModelSpec& student, const ModelSizes& sizes) {
  const KeptParts parts = choose_parts(teacher, *source, sizes);
  return std::make_unique<CutSource>(teacher, std::move(source), student, parts);
}

}  // namespace distill
