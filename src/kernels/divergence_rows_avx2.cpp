// The row kernel of the logits terms for one instruction set; chosen at run time in divergence_rows_cpu.cpp.
#pragma GCC target("avx2,fma")
#define DISTILL_INSTRUCTIONS avx2
#define DISTILL_WIDTH 8
#include "vector_lanes.h"
