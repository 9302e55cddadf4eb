#!/usr/bin/env bash
# Registers, shared memory, stack and spills of every CUDA kernel, as ptxas reports them: kernel_registers.sh [sm_75].
# More than 64 registers halve the threads that an sm_75 multiprocessor can hold (1,024, of 65,536 registers); stack and spills lie in memory.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
architecture=${1:-sm_75}
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
[ -x "$nvcc" ] || { echo "kernel_registers.sh: nvcc was not found; install the CUDA toolkit or put nvcc on PATH" >&2; exit 69; }
printf '%9s %8s %7s %7s  %s\n' registers shared stack spilled kernel
for file in "$root"/src/kernels/*.cu; do
  report=$("$nvcc" -std=c++20 -O3 -I "$root/include" -arch="$architecture" -Xptxas -v -cubin -o /dev/null "$file" 2>&1) ||
    { printf '%s\n' "$report" >&2; exit 1; }
  printf '%s\n' "$report"
done | c++filt | awk '
  /Compiling entry function/ { name = $0; sub(/.*entry function .?/, "", name); sub(/.? for .*/, "", name) }
  /bytes stack frame/        { stack = $1 }
  /bytes spill stores/       { spilled = $0; sub(/.*frame, /, "", spilled); sub(/ bytes spill stores.*/, "", spilled) }
  /Used [0-9]+ registers/    {
    registers = $0; sub(/.*Used /, "", registers); sub(/ registers.*/, "", registers)
    shared = $0; if (!sub(/ bytes smem.*/, "", shared)) shared = "0"; sub(/.* /, "", shared)
    gsub(/distill::\(anonymous namespace\)::/, "", name); gsub(/distill::/, "", name); sub(/\(.*/, "", name); sub(/^void /, "", name)
    printf "%9s %8s %7s %7s  %s\n", registers, shared, stack, spilled, name
  }'
