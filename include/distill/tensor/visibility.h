// Who sees whom: the one rule of causal and sliding-window attention, for models and for objectives that compare attention.
#pragma once

#include <ATen/core/TensorBody.h>

#include <cstdint>

namespace distill {

// bool [N, S]: may the query at position queries_N[n] see the key at keys_S[s]? Positions int64. `window` in tokens, 0 = none: a
// causal query sees itself and the window - 1 tokens before it, a bidirectional one that many tokens to each side. Documents and
// padding are the caller's.
at::Tensor visible_keys(const at::Tensor& queries_N, const at::Tensor& keys_S, bool causal, int64_t window);

}  // namespace distill
