// What a model answers with.
#include "distill/model/output.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tanh.h>

#include "distill/model/linear.h"

namespace distill {

at::Tensor ForwardOutput::logits_BTV() const {
  const Linear product{head.weight_VD, {}, false, head.kept};
  at::Tensor logits = head.is_identity() ? final_hidden_BTD : product(final_hidden_BTD);
  logits = logits.to(logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  if (head.bias_V.defined()) logits = logits + head.bias_V;
  return head.soft_cap > 0 ? at::tanh(logits / head.soft_cap) * head.soft_cap : logits;
}

}  // namespace distill
