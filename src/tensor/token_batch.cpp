#include "distill/tensor/token_batch.h"

namespace distill {

TokenBatch TokenBatch::to(at::Device device) const {
  TokenBatch moved = *this;
  for (at::Tensor TokenBatch::*member :
       {&TokenBatch::ids_BT, &TokenBatch::positions_BT, &TokenBatch::documents_BT, &TokenBatch::targets_BT,
        &TokenBatch::row_keys_B, &TokenBatch::kept_N, &TokenBatch::kept_targets_N}) {
    at::Tensor& tensor = moved.*member;
    if (tensor.defined()) tensor = tensor.to(device, /*non_blocking=*/tensor.device().is_cpu() && tensor.is_pinned());
  }
  return moved;
}

}  // namespace distill
