// What the CUDA launchers answer in a build without CUDA: a tensor on a GPU cannot be computed here, and the user hears so.
#include "distill/core/error.h"
#include "distill/kernels/divergence_rows.h"

#include "dropout_cuda.h"

namespace distill {
namespace {

[[noreturn]] void refuse(const char* kernel) {
  throw DeviceError({kernel, "a build with CUDA for tensors on a GPU", "this program was built without it",
                     "Build with -DDISTILL_CUDA=ON, or pass --device cpu.", ""});
}

}  // namespace

int launch_keyed_dropout(const void*, void*, DropoutType, DropoutShape, const int64_t*, uint64_t, uint64_t, uint64_t, double,
                         void*) {
  refuse("keyed dropout");
}

void divergence_rows_cuda(RowType, const RowPlan&, const RowBatch&, void*) { refuse("logits terms"); }

}  // namespace distill
