// What a model makes of a piece: tokens, and how much of the piece each stands for.
#pragma once

#include <cstdint>

namespace distill {

// A token and how many bytes of the piece it covers; 0: those that the token before it covers.
struct Symbol {
  int32_t id;
  uint32_t num_bytes;
};

}  // namespace distill
