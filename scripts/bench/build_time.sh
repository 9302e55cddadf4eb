#!/usr/bin/env bash
# How long a build takes: from nothing without the compiler cache, then a copy of the sources at another path with it.
# Usage: scripts/bench/build_time.sh [TARGET]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${1:-all}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() {   # build NAME: configures and builds a copy, prints its seconds
  local start=$SECONDS
  mkdir "$work/$1"
  git -C "$root" ls-files -z | tar -C "$root" --null -T - -cf - | tar -C "$work/$1" -xf -
  cmake -S "$work/$1" -B "$work/$1/build" -G Ninja >"$work/$1.log"
  cmake --build "$work/$1/build" --target "$target" >>"$work/$1.log" || { tail -n 30 "$work/$1.log"; exit 1; }
  echo "$1: $((SECONDS - start)) s"
}

export CCACHE_DIR=$work/ccache   # an empty cache of our own
CCACHE_RECACHE=1 build clean
build cached
command -v ccache >/dev/null && ccache --show-stats | grep -iE 'hits|misses'
nproc | sed 's/$/ cores/'
