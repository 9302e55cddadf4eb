# shellcheck shell=bash disable=SC2034  # what is not used here, its readers use
# Functions of check.sh and bench.sh: they run in a checkout that was built and in an unpacked archive of scripts/package.sh.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build
device=cuda
out=$PWD/gpu-results

say() { printf 'distill: %s\n' "$*" >&2; }
fail() {   # exit code, words
  local code=$1
  shift
  say "$*"
  exit "$code"
}

in_package() { [ -e "$root/share/built_for" ]; }
# program NAME [ARGUMENTS...]: distill or one of the test binaries.
program() {
  local name=$1
  shift
  if in_package; then
    "$root/libexec/with_torch" "$root/bin/$name" "$@"
  else
    case $name in
      distill) "$build/distill" "$@" ;;
      *) "$build/tests/$name" "$@" ;;
    esac
  fi
}

# The torch package that our programs run on.
torch_folder() {
  if in_package; then
    "$root/libexec/with_torch" printenv LD_LIBRARY_PATH | tr ':' '\n' | sed -n 's/\/lib$//p' | while read -r folder; do
      [ ! -e "$folder/version.py" ] || { echo "$folder"; break; }
    done
  else
    sed -n 's/^torch_folder="\(.*\)"/\1/p' "$build/built_for"
  fi
}

commit() {
  if in_package; then
    sed -n 's/^commit="\(.*\)"/\1/p' "$root/share/built_for"
  else
    git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown
  fi
}

# What a table says about the machine.
device_name() {
  if [ "$device" = cpu ]; then
    echo "cpu: a rehearsal, which proves nothing about a GPU"
  else
    nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1 || echo "a GPU without nvidia-smi"
  fi
}

# Exit code 69 when a GPU is asked for and there is none.
require_device() {
  [ "$device" = cpu ] && return
  local facts
  facts=$(program distill version --json) || exit $?
  grep -q '"gpus": 0' <<<"$facts" || return 0
  fail 69 "a CUDA GPU: expected one, found none ($(sed -n 's/.*"why_no_gpu": "\(.*\)".*/\1/p' <<<"$facts")).
  -> Choose a machine with a GPU, or rehearse with --device cpu."
}
