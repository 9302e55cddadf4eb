// Lets the compiler make one version of a small loop per instruction set and pick at start. Rooms compile for the plain
// x86-64 baseline, so that one binary runs everywhere. Not for files that CUDA compiles.
#pragma once

// Sanitizers cannot run the resolvers that pick a version.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define DISTILL_SIMD __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define DISTILL_SIMD
#endif
