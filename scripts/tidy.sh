#!/usr/bin/env bash
# clang-tidy over the rooms whose files do not see torch (its headers would cost minutes). Findings are errors.
# A file is looked at again only when it, a header of these rooms, or the rules have changed.
# Usage: scripts/tidy.sh BUILD_FOLDER
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export tidy_build=$1
export tidy_stamps=${XDG_CACHE_HOME:-$HOME/.cache}/distill/tidy
rooms=(core recipe spec text plan)
mkdir -p "$tidy_stamps"

folders=()
for room in "${rooms[@]}"; do folders+=("src/$room" "include/distill/$room"); done
tidy_common=$({ clang-tidy --version; cat .clang-tidy; find "${folders[@]}" -name '*.h' -print0 | sort -z | xargs -0 cat; } | sha256sum)
export tidy_common

tidy_one() {
  local stamp
  stamp=$tidy_stamps/$({ echo "$tidy_common"; echo "$1"; cat "$1"; } | sha256sum | cut -c1-32)
  [ -e "$stamp" ] && return
  clang-tidy -p "$tidy_build" --quiet --warnings-as-errors='*' "$1" 2>/dev/null && : >"$stamp"
}
export -f tidy_one
find "${rooms[@]/#/src/}" -name '*.cpp' -print0 | sort -z | xargs -0 -P "$(nproc)" -n 1 bash -c 'tidy_one "$0" || exit 1'
