#!/usr/bin/env bash
# Sets up what is missing, builds both configurations, checks the sources, runs all tests, and prints a summary.
# The exit code is 0 when everything passed. Arguments go to the test binaries' filter: scripts/test.sh 'Safetensors.*'
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$root"

summary=()
num_failed=0
# part NAME COMMAND...: runs one part of the checks, notes the outcome and the time, and goes on.
part() {
  local name=$1 start=$SECONDS outcome=ok
  shift
  say "$name ..."
  if ! ("$@"); then
    outcome=FAILED
    num_failed=$((num_failed + 1))
  fi
  summary+=("$(printf '%-52s %-6s %4d s' "$name" "$outcome" $((SECONDS - start)))")
}

# Releases format differently; the sources follow release 14 (Debian 12, Ubuntu 22.04).
check_format() {
  local sources version
  mapfile -t sources < <(find src include tests -name '*.h' -o -name '*.cpp' -o -name '*.cu')
  version=$(clang-format --version | sed -E 's/.*version ([0-9]+).*/\1/')
  if [ "$version" != 14 ]; then
    say "clang-format is of release $version, the sources are formatted by release 14: not checked"
    return
  fi
  clang-format --dry-run --Werror "${sources[@]}" 2>&1 | grep -E 'error|warning' | sort -u -t: -k1,1 >&2
  [ "${PIPESTATUS[0]}" = 0 ]
}

has_cuda() { grep -qs '^-- CUDA: on' build/configure.log; }

# The T4's own code: without it a T4 would have to compile the PTX of a newer GPU, and fail. The toolkit's cuobjdump, or the one
# that comes with torch.
has_sm_75() {
  local nvcc_folder tool
  nvcc_folder=$(dirname "$(sed -n 's/^-- CUDA: on, \([^,]*\),.*/\1/p' build/configure.log)")
  for tool in "$nvcc_folder/cuobjdump" "$(find_torch | tail -n 1)/../triton/backends/nvidia/bin/cuobjdump"; do
    if [ -x "$tool" ]; then
      "$tool" --list-elf build/distill | grep 'sm_75' > /dev/null
      return
    fi
  done
  say "no cuobjdump: not checked"
}

run_tests() {
  rm -rf build/results
  GTEST_OUTPUT="json:$root/build/results/" GTEST_FILTER="${filter:-*}" ctest --test-dir build --output-on-failure --no-tests=error
}

# Sum of one count ("tests", "failures", "disabled") over the result files; it is the first of that name in each.
count() {
  local file sum=0
  for file in build/results/*.json; do
    [ -e "$file" ] && sum=$((sum + $(grep -m1 -o "\"$1\": [0-9]*" "$file" | grep -o '[0-9]*')))
  done
  echo "$sum"
}

filter=${1:-}
ensure_packages "${check_tools[@]}"
ensure_torch
part "build" configure_and_build "$root/build" all
if has_cuda; then
  part "build of the kernels without CUDA" configure_and_build "$root/build-cpu" distill_room_kernels -DDISTILL_CUDA=OFF
else
  say "no nvcc that fits this torch: build/ is the CPU-only configuration, the CUDA one is not built here"
fi
if has_cuda; then part "sm_75 code in the executable" has_sm_75; fi
part "format (clang-format)" check_format
part "lint of the torch-free rooms (clang-tidy)" scripts/tidy.sh build
part "tests" run_tests
part "malformed models and texts under sanitizers, and fuzzing" scripts/fuzz.sh "${DISTILL_FUZZ_SECONDS:-5}"

num_skipped=$(grep -hs '"result": "SKIPPED"' build/results/*.json | wc -l)
num_broken=$(count failures)
printf '\n'; printf '%s\n' "${summary[@]}" ""
if [ "$num_failed" -gt 0 ] && [ "$num_broken" = 0 ]; then num_broken=$num_failed; fi   # a part without cases of its own
echo "$(($(count tests) - $(count failures) - num_skipped)) passed, $num_broken failed, $num_skipped skipped"
[ "$num_failed" = 0 ]
