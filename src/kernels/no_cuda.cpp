// What the CUDA launchers answer in a build without CUDA: a tensor on a GPU cannot be computed here, and the user hears so.
#include "distill/core/error.h"
#include "distill/kernels/divergence_rows.h"

#include "adamw_cuda.h"
#include "dropout_cuda.h"
#include "gated_cuda.h"
#include "rope_cuda.h"
#include "row_norm_cuda.h"

namespace distill {
namespace {

[[noreturn]] void refuse(const char* kernel) {
  throw DeviceError({kernel, "a build with CUDA for tensors on a GPU", "this program was built without it",
                     "Build with -DDISTILL_CUDA=ON, or pass --device cpu.", ""});
}

}  // namespace

int launch_adamw(const AdamwSpan*, int64_t, const AdamwOnDevice&, void*) { refuse("AdamW"); }
int launch_gated_forward(const GatedRows&, Sink, void*) { refuse("gated products"); }
int launch_gated_backward(const GatedRows&, Source, Sink, Sink, void*) { refuse("gated products"); }
int launch_keyed_dropout(Source, Sink, DropoutShape, const int64_t*, uint64_t, uint64_t, uint64_t, double, void*) {
  refuse("keyed dropout");
}
int launch_norm_forward(const NormRows&, Sink, void*) { refuse("norms"); }
int launch_norm_backward(const NormRows&, Source, Sink, Sink, Sink, int64_t, void*) { refuse("norms"); }
int launch_rope(const RopeHeads&, const RopeAngles&, void*) { refuse("rotary positions"); }
void divergence_rows_cuda(RowType, const RowPlan&, const RowBatch&, void*) { refuse("logits terms"); }

}  // namespace distill
