// Notices when the host waits for the GPU.
#pragma once

namespace distill::test {

// While it lives, every operation of torch that makes the host wait for the GPU throws. Does nothing in builds without CUDA.
class NoHostWaits {
 public:
  NoHostWaits();
  ~NoHostWaits();
  NoHostWaits(const NoHostWaits&) = delete;
  NoHostWaits& operator=(const NoHostWaits&) = delete;
};

}  // namespace distill::test
