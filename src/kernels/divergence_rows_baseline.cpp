// The row kernel of the logits terms for one instruction set; chosen at run time in divergence_rows_cpu.cpp.
#define DISTILL_INSTRUCTIONS baseline
#define DISTILL_WIDTH 4
#include "vector_lanes.h"
