// The row kernel of the logits terms for one instruction set; chosen at run time in divergence_rows_cpu.cpp.
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#define DISTILL_INSTRUCTIONS avx512
#define DISTILL_WIDTH 16
#include "vector_lanes.h"
