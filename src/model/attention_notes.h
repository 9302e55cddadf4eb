// Which way attention went, for the log: one note for each kind of call that a process met.
#pragma once

#include <ATen/core/TensorBody.h>

#include <string>

namespace distill {

// What scaled_dot_product_attention is asked; `mask` undefined when there is none.
struct AttentionCall {
  at::Tensor q_BHTK, k_BGTK, v_BGTK, mask;
  bool causal = false;
  double scale = 1;
};

// "flash", "efficient", "cudnn", "math" for torch's numbers of backends.
const char* attention_backend_name(int64_t backend);
// `why` is asked once for each kind of call and only when it is new; "" leaves it out.
void note_attention(const std::string& choice, const at::Tensor& q_BHTK, int64_t num_kv_heads, const char* mask,
                    std::string (*why)(const AttentionCall&) = nullptr, const AttentionCall* call = nullptr);
// Why torch takes none of its fused kernels on a GPU, in its own words; "" on a CPU.
std::string why_not_fused(const AttentionCall& call);

}  // namespace distill
