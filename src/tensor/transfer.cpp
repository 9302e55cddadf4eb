#include "distill/tensor/transfer.h"

#include <ATen/ops/empty_like.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace distill {

at::Tensor send(const at::Tensor& host, at::Device device) {
  if (device.is_cpu() || !host.is_cpu()) return host.to(device);
  return (host.is_pinned() ? host : host.pin_memory()).to(device, /*non_blocking=*/true);
}

BatchCopies::BatchCopies(at::Device device) : device_(device) {
  if (!device.is_cpu()) stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

TokenBatch BatchCopies::operator()(const TokenBatch& host) const {
  if (!stream_) return host.to(device_);
  const c10::Stream compute = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
  TokenBatch moved;
  {
    const c10::StreamGuard on_copies(*stream_);
    moved = host.to(device_);
  }
  c10::Event copied(device_.type());
  copied.record(*stream_);
  copied.block(compute);
  // The memory belongs to the stream of the copies: it must not be given to another copy before the work on it is done.
  for (const at::Tensor* tensor : moved.tensors())
    if (tensor->defined()) tensor->record_stream(compute);
  return moved;
}

ReadBack::ReadBack(const at::Tensor& source) {
  if (source.is_cpu()) {
    host_ = source;
    return;
  }
  host_ = at::empty_like(source, source.options().device(at::kCPU).pinned_memory(true));
  host_.copy_(source, /*non_blocking=*/true);
  copied_.emplace(source.device().type());
  copied_->record(c10::impl::VirtualGuardImpl(source.device().type()).getStream(source.device()));
}

bool ReadBack::ready() const { return !copied_ || copied_->query(); }

at::Tensor ReadBack::wait() const {
  if (copied_) copied_->synchronize();
  return host_;
}

}  // namespace distill
