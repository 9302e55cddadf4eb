#!/usr/bin/env bash
# Whole updates and the loss alone against eager PyTorch, TRL and Liger (where they are installed), in fp16 under a memory cap of
# 14.0 GiB (a T4's 14.7 less the CUDA context), with longer rows and larger micro-batches until each side runs out of memory, and
# what they compute compared. A table on stdout, everything in <out>/bench.json. Needs python3; its torch is the active one or ours.
#   scripts/gpu/bench.sh [--device cuda|cpu] [--out FOLDER] [--build FOLDER] [options of scripts/gpu/bench.py]
# --device cpu rehearses it on tiny shapes. Figures of one card say nothing about another.
# shellcheck source=scripts/gpu/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
more=()
while [ $# -gt 0 ]; do
  case $1 in
    --device) device=${2:?--device needs cuda or cpu}; shift ;;
    --out) out=${2:?--out needs a folder}; shift ;;
    --build) build=${2:?--build needs a folder}; shift ;;
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exec python3 "$root/scripts/gpu/bench.py" --help ;;
    *) more+=("$1") ;;
  esac
  shift
done
require_device
mkdir -p "$out"
if in_package; then
  ours=("$root/libexec/with_torch" "$root/bin")
else
  ours=(env "$build")
fi
command -v python3 >/dev/null || fail 69 "python3: expected one with torch, found none.
  -> Install it; the peers and the sweep are written in it."
if ! python3 -c 'import torch' 2>/dev/null; then
  PYTHONPATH=$(dirname "$(torch_folder)")${PYTHONPATH:+:$PYTHONPATH}
  export PYTHONPATH
  why=$(python3 -c 'import torch' 2>&1) || fail 69 "python3: expected one that can import torch, found: ${why##*$'\n'}.
  -> Use the Python that torch was installed with."
fi
exec python3 "$root/scripts/gpu/bench.py" --device "$device" --device-name "$(device_name)" --commit "$(commit)" --out "$out" \
  --runner "${ours[0]}" --programs "${ours[1]}" ${more[@]+"${more[@]}"}
