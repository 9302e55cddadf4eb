// Token embeddings. Their gradient is added row by row into the weight's .grad: no [V, D] temporary.
#pragma once

#include <ATen/core/TensorBody.h>

namespace distill {

// Rows of weight_VD: [B, T, D] in the weight's type. When the weight is a leaf that trains, the backward pass adds into
// weight.mutable_grad() in place (made of zeros when there is none) and hands autograd nothing; so use backward(), not grad().
// A head tied to the weight may add into the same .grad. On a CPU additions go in the order of the tokens, whatever the number of
// threads.
at::Tensor embed(const at::Tensor& weight_VD, const at::Tensor& ids_BT);

}  // namespace distill
