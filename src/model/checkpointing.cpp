// Recomputation in place of memory: whole blocks and single cheap values.
#include "distill/model/checkpointing.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/DeviceGuard.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <sstream>
#include <vector>

#include "distill/core/error.h"
#include "distill/model/transformer.h"
#include "distill/tensor/autocast.h"

#include "saved_tensor_hooks.h"

namespace distill {
namespace {

std::atomic<int64_t> recomputed_blocks{0};

// Thrown out of a recomputation as soon as it has made the last tensor that is needed.
struct AllCollected {};

std::string describe(const at::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.scalar_type() << tensor.sizes();
  return text.str();
}

// One call of checkpoint(): what was kept in the forward pass, by number, and what the second run made again.
class Frame : public std::enable_shared_from_this<Frame> {
 public:
  Frame(std::function<void(const at::Tensor&)> run, const at::Tensor& x)
      : run_(std::move(run)), x_(x.detach()), x_requires_grad_(x.requires_grad()), autocast_(autocast_dtype(x.device())) {}

  Unpack pack(const at::Tensor& tensor) {
    const size_t index = expected_.size();
    expected_.push_back(describe(tensor));
    return [frame = shared_from_this(), index] { return frame->take(index); };
  }

 private:
  at::Tensor take(size_t index) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (collected_.empty() || !collected_[index].defined()) recompute();
    return std::move(collected_[index]);
  }

  void recompute() {
    ++recomputed_blocks;
    collected_.clear();
    const c10::DeviceGuard device(x_.device());
    const at::AutoGradMode grad_mode(true);
    const AutocastGuard autocast(x_.device(), autocast_);
    const SavedTensorScope scope([this](const at::Tensor& tensor) { return collect(tensor); });
    try {
      run_(x_.detach().requires_grad_(x_requires_grad_));
    } catch (const AllCollected&) {
    }
    if (collected_.size() != expected_.size())
      throw Bug("recomputation made " + std::to_string(collected_.size()) + " tensors instead of " +
                std::to_string(expected_.size()));
  }

  Unpack collect(const at::Tensor& tensor) {
    const std::string found = describe(tensor), &expected = expected_[collected_.size()];
    if (found != expected) throw Bug("recomputation made " + found + " where the forward pass had " + expected);
    collected_.push_back(tensor);
    if (collected_.size() == expected_.size()) throw AllCollected{};
    return []() -> at::Tensor { throw Bug("the graph of a recomputation was used"); };
  }

  std::function<void(const at::Tensor&)> run_;
  at::Tensor x_;
  bool x_requires_grad_;
  std::optional<at::ScalarType> autocast_;
  std::vector<std::string> expected_;
  std::vector<at::Tensor> collected_;
  std::mutex mutex_;
};

// A value that is made again when it is asked for, once for all who keep it.
class Remade {
 public:
  Remade(const at::Tensor& value, std::function<at::Tensor()> recipe)
      : recipe_(std::move(recipe)),
        autocast_(autocast_dtype(value.device())),
        data_(value.const_data_ptr()),
        numel_(value.numel()),
        dtype_(value.scalar_type()),
        device_(value.device()) {}

  bool is(const at::Tensor& tensor) const {
    return tensor.numel() == numel_ && tensor.scalar_type() == dtype_ && tensor.is_contiguous() &&
           tensor.layout() == at::kStrided && tensor.const_data_ptr() == data_;
  }
  void add_keeper() { ++num_keepers_; }

  at::Tensor take(const std::vector<int64_t>& shape) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!value_.defined()) make();
    const at::Tensor result = value_.view(shape);
    if (++num_taken_ == num_keepers_) {
      value_.reset();
      num_taken_ = 0;
    }
    return result;
  }

 private:
  void make() {
    const c10::DeviceGuard device(device_);
    const at::NoGradGuard no_grad;
    const AutocastGuard autocast(device_, autocast_);
    value_ = recipe_();
    if (value_.numel() != numel_ || value_.scalar_type() != dtype_)
      throw Bug("a cheap value came back as " + describe(value_) + " instead of " + std::to_string(numel_) + " numbers");
  }

  std::function<at::Tensor()> recipe_;
  std::optional<at::ScalarType> autocast_;
  const void* data_;
  int64_t numel_;
  at::ScalarType dtype_;
  at::Device device_;
  at::Tensor value_;
  int64_t num_keepers_ = 0, num_taken_ = 0;
  std::mutex mutex_;
};

}  // namespace

CheckpointScope::CheckpointScope(std::function<void(const at::Tensor&)> run, const at::Tensor& x) {
  const auto frame = std::make_shared<Frame>(std::move(run), x);
  push_saved_tensor_pack([frame](const at::Tensor& tensor) { return frame->pack(tensor); });
}
CheckpointScope::~CheckpointScope() { pop_saved_tensor_pack(); }

CheapValue::CheapValue(const at::Tensor& value, std::function<at::Tensor()> recipe)
    : active_(value.defined() && at::GradMode::is_enabled() && value.requires_grad() && value.is_contiguous()) {
  if (!active_) return;
  const auto remade = std::make_shared<Remade>(value, std::move(recipe));
  push_saved_tensor_pack([remade](const at::Tensor& tensor) -> Unpack {
    if (!remade->is(tensor)) return [tensor] { return tensor; };
    remade->add_keeper();
    return [remade, shape = tensor.sizes().vec()] { return remade->take(shape); };
  });
}

CheapValue::~CheapValue() {
  if (active_) pop_saved_tensor_pack();
}

int64_t num_recomputed_blocks() { return recomputed_blocks; }

}  // namespace distill
