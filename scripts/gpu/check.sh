#!/usr/bin/env bash
# Holds this program to its promises on a GPU, within 10 minutes: kernels, every architecture against the CPU, mixed precision,
# recomputation, waiting, memory, resumed and deterministic runs. Needs no compiler; a table on stdout, everything in
# <out>/check.json and <out>/*.log.
#   scripts/gpu/check.sh [--device cuda|cpu] [--out FOLDER] [--build FOLDER] [--filter PATTERN] [--sanitize]
# --device cpu rehearses all of it on tiny shapes. --sanitize adds compute-sanitizer over the kernels (a CUDA toolkit has it).
# Exit code: 0 all held, 1 something failed, 69 no GPU.
# shellcheck source=scripts/gpu/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
filter='*_CUDA'
sanitize=no

while [ $# -gt 0 ]; do
  case $1 in
    --device) device=${2:?--device needs cuda or cpu}; shift ;;
    --out) out=${2:?--out needs a folder}; shift ;;
    --build) build=${2:?--build needs a folder}; shift ;;
    --filter) filter=${2:?--filter needs a pattern}; shift ;;
    --sanitize) sanitize=yes ;;
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) fail 2 "expected --device, --out, --build, --filter or --sanitize, found \`$1\`" ;;
  esac
  shift
done
[[ $device =~ ^(cuda|cpu)$ ]] || fail 2 "--device: expected cuda or cpu, found \`$device\`"
require_device
[ "$device" = cuda ] || export DISTILL_CHECK_DEVICE=cpu
mkdir -p "$out"
rm -f "$out"/*.log "$out"/*.results.json "$out"/rows

# The test cases of a result file of GoogleTest, one per line: outcome, seconds, name, figures as members of JSON.
rows_of() {
  awk -F'"' '
    function end() { if (name != "") printf "%s\t%s\t%s\t%s\n", outcome, seconds, class "." name, figures; name = "" }
    /^          "name": /      { end(); name = $4; outcome = "passed"; figures = ""; class = ""; seconds = "0"; next }
    /^          "result": /    { if ($4 == "SKIPPED" || $4 == "SUPPRESSED") outcome = "skipped"; next }
    /^          "time": /      { seconds = $4; sub(/s$/, "", seconds); next }
    /^          "classname": / { class = $4; next }
    /^          "failures": /  { outcome = "FAILED"; next }
    /^          "(file|line|status|timestamp|type_param|value_param|skipped)"/ { next }
    /^          "[A-Za-z0-9_]+": "/ && name != "" { line = $0; sub(/^ */, "", line); sub(/,$/, "", line); figures = figures (figures == "" ? "" : ", ") line }
    END { end() }' "$1"
}

# run_part BINARY FILTER: a part of the checks; a binary that dies is a row of its own.
run_part() {
  local binary=$1 wanted=$2 results=$out/$1.results.json code=0
  say "$binary ..."
  program "$binary" --gtest_filter="$wanted" --gtest_output="json:$results" --gtest_color=no >"$out/$binary.log" 2>&1 || code=$?
  [ ! -e "$results" ] || rows_of "$results" >>"$out/rows"
  [ "$code" -le 1 ] && [ -e "$results" ] || printf 'FAILED\t0\t%s ended with exit code %s\t\n' "$binary" "$code" >>"$out/rows"
}

run_sanitizer() {
  local tool code start
  command -v compute-sanitizer >/dev/null || { printf 'FAILED\t0\tcompute-sanitizer is not installed\t\n' >>"$out/rows"; return; }
  for tool in memcheck racecheck synccheck initcheck; do
    say "compute-sanitizer $tool ..."
    code=0 start=$SECONDS
    if in_package; then set -- "$root/libexec/with_torch"; else set --; fi
    "$@" compute-sanitizer --tool "$tool" --error-exitcode 86 "$(in_package && echo "$root/bin" || echo "$build/tests")/tests_gpu" \
      --gtest_filter='GpuKernels.*' >"$out/sanitizer-$tool.log" 2>&1 || code=$?
    printf '%s\t%s\tcompute-sanitizer %s\t\n' "$([ "$code" = 0 ] && echo passed || echo FAILED)" $((SECONDS - start)) "$tool" >>"$out/rows"
  done
}

start=$SECONDS
: >"$out/rows"
# The small tests of the rooms need a GPU; what is rehearsed stands in tests_gpu.
[ "$device" = cpu ] || run_part tests_tensor "$filter"
run_part tests_gpu "$filter"
[ "$sanitize" = no ] || run_sanitizer

num() { grep -c "^$1" "$out/rows" || true; }
quoted() { printf '"%s"' "$(sed 's/\\/\\\\/g; s/"/\\"/g' <<<"$1")"; }
{
  printf '{"date": "%s", "commit": %s, "device": %s,\n "passed": %s, "failed": %s, "skipped": %s, "seconds": %s,\n "program": %s,\n "checks": [\n' \
    "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(quoted "$(commit)")" "$(quoted "$(device_name)")" "$(num passed)" "$(num FAILED)" "$(num skipped)" \
    $((SECONDS - start)) "$(program distill version --json)"
  awk -F'\t' '{printf "%s  {\"name\": \"%s\", \"outcome\": \"%s\", \"seconds\": %s, \"figures\": {%s}}", (NR > 1 ? ",\n" : ""), $3, tolower($1), $2, $4}' "$out/rows"
  printf '\n]}\n'
} >"$out/check.json"

printf '%s, commit %s, %s\n' "$(device_name)" "$(commit)" "$(date -u +%F)"
awk -F'\t' '{gsub(/"/, "", $4); printf "%-8s %7.1f s  %s\n", $1, $2, $3; if ($4 != "") printf "                    %s\n", $4}' "$out/rows"
printf '%s passed, %s failed, %s skipped in %s s; details in %s\n' "$(num passed)" "$(num FAILED)" "$(num skipped)" $((SECONDS - start)) "$out/check.json"
if [ "$(num FAILED)" != 0 ]; then
  grep -h -B1 -A12 'Failure$' "$out"/*.log | head -n 60 >&2 || true
  exit 1
fi
[ "$(num passed)" != 0 ] || fail 1 "no check ran"
