// A template is data from a stranger: what it may use of the machine. Every limit is far above what templates need.
#pragma once

#include <cstddef>
#include <cstdint>

namespace distill::jinja {

constexpr size_t kMaxSourceBytes = size_t{1} << 20;
constexpr uint32_t kMaxNesting = 150;                    // of brackets, operators and blocks in the source
constexpr uint32_t kMaxExpressionDepth = 200;            // of one expression's tree
constexpr uint32_t kMaxCallDepth = 1500;                 // expressions, statements and macros at work at the same time
constexpr uint32_t kMaxValueDepth = 100;                 // of lists in lists
constexpr int64_t kMaxSteps = 5'000'000;                 // of one render; long texts count as several
constexpr int64_t kMaxRange = 100'000;                   // as Jinja's sandbox
constexpr size_t kMaxOutputBytes = size_t{16} << 20;     // beyond the size of the input
constexpr size_t kMaxAllocatedBytes = size_t{64} << 20;  // texts and lists made by one render, beyond 256 times the input

}  // namespace distill::jinja
