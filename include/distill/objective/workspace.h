// How much the losses hold beside what they compare.
#pragma once

#include <cstdint>

namespace distill {

// Numbers of one tile of attention maps, all heads of the side with more of them together.
inline constexpr int64_t kAttentionTileElements = int64_t{1} << 20;

}  // namespace distill
