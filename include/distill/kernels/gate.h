// Which activation a gated feed-forward layer has. No torch header: CUDA files read it too.
#pragma once

namespace distill {

enum class Gate : int { silu, gelu, gelu_tanh, relu, tanh };

}  // namespace distill
