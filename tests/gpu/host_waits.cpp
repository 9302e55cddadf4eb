#include "gpu/host_waits.h"

#ifdef DISTILL_WITH_CUDA
#include <c10/cuda/CUDAFunctions.h>
#endif

namespace distill::test {

#ifdef DISTILL_WITH_CUDA
NoHostWaits::NoHostWaits() { c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_ERROR); }
NoHostWaits::~NoHostWaits() { c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_DISABLED); }
#else
NoHostWaits::NoHostWaits() = default;
NoHostWaits::~NoHostWaits() = default;
#endif

}  // namespace distill::test
