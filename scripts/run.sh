#!/usr/bin/env bash
# Sets up what is missing, builds, and runs `distill ARGS` in the current folder. Without ARGS: the demo.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

ensure_packages
ensure_torch
configure_and_build "$root/build" distill
[ $# -gt 0 ] || set -- demo
exec "$root/build/distill" "$@"
