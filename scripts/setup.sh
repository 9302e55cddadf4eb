#!/usr/bin/env bash
# Functions of run.sh and test.sh: install what is missing (distribution packages, the torch wheel), configure, build.
# Run directly it only sets up. Messages go to stderr; every step is a no-op when it has nothing to do.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
torch_version=2.11.0
cache_folder=${XDG_CACHE_HOME:-${HOME:?HOME or XDG_CACHE_HOME must be set}/.cache}/distill

say() { printf 'distill: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

# command:package pairs are satisfied by any command of that name (Colab's cmake comes from pip, for example).
tools=(g++:g++ cmake:cmake ninja:ninja-build pkg-config:pkg-config python3:python3)
libraries=(libcli11-dev libyaml-cpp-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libgtest-dev libgmock-dev libonig-dev
  libutf8proc-dev libssl-dev libxxhash-dev libarchive-dev zlib1g-dev)
# Builds go without these, only slower; not every release has them all.
optional_tools=(ccache:ccache mold:mold)
check_tools=(clang-format:clang-format clang-tidy:clang-tidy)   # test.sh asks for them

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# The packages of the given command:package pairs whose command is absent.
packages_of_absent() {
  local pair
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || printf '%s\n' "${pair#*:}"
  done
}

missing_packages() {
  local package
  packages_of_absent "${tools[@]}" "$@"
  for package in "${libraries[@]}"; do
    installed "$package" || printf '%s\n' "$package"
  done
}

# as_root COMMAND...: runs it as root, or returns 1 when that is not possible here.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    sudo "$@"
  else
    return 1
  fi
}

apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >&2; }

# ensure_packages [command:package ...]: the packages of the build, and those of the given pairs.
ensure_packages() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "this is no Debian or Ubuntu: install the equivalents of ${tools[*]#*:} ${libraries[*]} by hand if the build misses them"
    return
  fi
  local missing optional package
  mapfile -t missing < <(missing_packages "$@")
  mapfile -t optional < <(packages_of_absent "${optional_tools[@]}")
  if [ ${#missing[@]} -gt 0 ]; then
    as_root true || fail "packages are missing and this user may not install them. Run this, then the same command again:
  sudo apt-get update && sudo apt-get install -y ${missing[*]}"
    say "installing the packages ${missing[*]}"
    as_root apt-get -o DPkg::Lock::Timeout=300 update -qq >&2 || say "apt-get update reported a problem; going on with what it has"
    apt_install "${missing[@]}" || fail "apt-get could not install the packages. Its message is above; mend it, then run the same command again."
    for package in "${optional[@]}"; do
      apt_install "$package" || say "$package is not to be had here: builds work without it, only slower"
    done
  fi
}

find_torch() { cmake -P "$root/scripts/cmake/FindTorchFolder.cmake" 2>&1; }

ensure_pip() {
  python3 -m pip --version >/dev/null 2>&1 && return
  say "installing python3-pip, which fetches the torch wheel"
  apt_install python3-pip || fail "pip is missing. Run this, then the same command again:
  sudo apt-get update && sudo apt-get install -y python3-pip"
}

# Refuses early what would otherwise fail after minutes: the unpacked wheel takes 4.6 GB, its download 2.7 GB.
check_disk() {
  local free_mib
  free_mib=$(df -Pm "$1" | awk 'NR == 2 {print $4}')
  [ "$free_mib" -ge 8000 ] || fail "fetching LibTorch needs 8 GB in $1, $((free_mib / 1000)) GB are free.
  Free some space, name another folder with XDG_CACHE_HOME, or name a torch package folder with DISTILL_TORCH_ROOT."
}

# One download for all clones of this user, complete or absent: it is unpacked beside its place and then renamed.
fetch_torch() {
  local target=$cache_folder/torch-$torch_version temporary
  rm -rf "$cache_folder/torch-$torch_version".??????   # what a killed set-up left; the lock is ours
  temporary=$(mktemp -d "$cache_folder/torch-$torch_version.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$temporary'" EXIT
  mkdir "$temporary/tmp"
  say "fetching LibTorch (the torch $torch_version wheel, 4.6 GB on disk, once for all clones) into $target"
  TMPDIR=$temporary/tmp PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-cache-dir --only-binary=:all: \
    --disable-pip-version-check --target "$temporary/packages" "torch==$torch_version" >&2 ||
    fail "pip could not fetch torch $torch_version. Its message is above; a torch >= 2.11 in the active Python or DISTILL_TORCH_ROOT serves as well."
  rm -rf "$target"
  mv "$temporary/packages" "$target"
  rm -rf "$temporary"
  trap - EXIT
}

ensure_torch() {
  find_torch >/dev/null && return
  [ -z "${DISTILL_TORCH_ROOT:-}" ] || fail "DISTILL_TORCH_ROOT is set, but: $(find_torch)"
  mkdir -p "$cache_folder"
  (
    flock -n 9 || { say "another set-up is fetching LibTorch: waiting for it"; flock 9; }
    find_torch >/dev/null && exit 0
    check_disk "$cache_folder"
    ensure_pip
    fetch_torch
  ) 9>"$cache_folder/lock"
  find_torch >/dev/null || fail "the fetched torch is not usable: $(find_torch)"
}

# Compiling a file that sees torch takes about 1.5 GB: as many jobs as cores and memory allow.
num_jobs() {
  local cores memory_jobs
  cores=$(nproc)
  memory_jobs=$(awk '/MemAvailable/ {print int($2 / 1500000)}' /proc/meminfo)
  [ "$memory_jobs" -ge 1 ] || memory_jobs=1
  echo $((cores < memory_jobs ? cores : memory_jobs))
}

# configure_and_build FOLDER TARGET [CMAKE OPTIONS...]
configure_and_build() {
  local folder=$1 target=$2
  shift 2
  mkdir -p "$folder"
  (
    flock -n 9 || { say "another build is running in $folder: waiting for it"; flock 9; }
    cmake -S "$root" -B "$folder" -G Ninja "$@" >"$folder/configure.log" 2>&1 || { cat "$folder/configure.log" >&2; fail "cmake failed (above)"; }
    cmake --build "$folder" --target "$target" --parallel "$(num_jobs)" >&2 || fail "the build failed (above)"
  ) 9>"$folder/.lock"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  ensure_packages
  ensure_torch
  say "LibTorch: $(find_torch)"
fi
