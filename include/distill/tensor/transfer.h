// Ways between host and GPU on which the host does not wait. On a CPU each of them is the plain thing.
#pragma once

#include <ATen/core/TensorBody.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <optional>

#include "distill/tensor/token_batch.h"

namespace distill {

// `host` on `device`; on the way to a GPU it is copied into pinned memory first, because a copy from elsewhere waits.
at::Tensor send(const at::Tensor& host, at::Device device);

// Copies batches on a stream of their own, past the work that the GPU still has to do; later work of the calling thread's stream
// waits for them on the device. Batches should be pinned (StreamOptions::pin_memory): others make the host wait for the copy.
class BatchCopies {
 public:
  explicit BatchCopies(at::Device device);
  TokenBatch operator()(const TokenBatch& host) const;

 private:
  at::Device device_;
  std::optional<c10::Stream> stream_;  // none on a CPU
};

// A tensor on its way to the host.
class ReadBack {
 public:
  explicit ReadBack(const at::Tensor& source);
  bool ready() const;
  at::Tensor wait() const;  // on the host; waits until it is ready

 private:
  at::Tensor host_;
  std::optional<c10::Event> copied_;  // none when the source was on the host
};

}  // namespace distill
