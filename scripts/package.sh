#!/usr/bin/env bash
# Makes one archive that runs on a machine with torch and without compilers or apt packages: the stripped program, the shared
# libraries that are neither torch's nor the driver's nor glibc's, and a launcher that finds torch.
#   scripts/package.sh [--with-tests] [--build FOLDER] [--out FILE.tar.xz]
# --with-tests adds the test binaries, their data and the scripts of scripts/gpu and scripts/bench. The end of the name chooses
# the compression: .tar.xz (the default), .tar.zst or .tar. Prints the name of the archive.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
with_tests=no
out=

say() { printf 'distill: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 2
}
usage() { sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

while [ $# -gt 0 ]; do
  case $1 in
    --with-tests) with_tests=yes ;;
    --build) build=${2:?--build needs a folder}; shift ;;
    --out) out=${2:?--out needs a file}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) fail "expected --with-tests, --build FOLDER or --out FILE, found \`$1\`" ;;
  esac
  shift
done

binaries=("$build/distill")
[ "$with_tests" = no ] || binaries+=("$build"/tests/tests_{plain,tensor,system,gpu} "$build/loss_bench")
for file in "${binaries[@]}" "$build/built_for"; do
  [ -e "$file" ] || fail "$file is not built. Run \`cmake --build $build\` first (scripts/run.sh or scripts/test.sh do)."
done
version='' torch_folder='' torch_version='' torch_cuda='' cuda_architectures=''   # told by the build
# shellcheck disable=SC1091
source "$build/built_for"

name=distill-$version-$(uname -m)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
target=$work/$name
mkdir -p "$target/bin" "$target/lib" "$target/lib/compiler" "$target/libexec" "$target/share"

# "soname path" of every library that has to travel with the given binaries.
libraries_of() {
  local site glibc='^(ld-linux.*|libc|libm|libdl|librt|libpthread|libutil|libresolv|libmvec|libanl|libBrokenLocale|libnss_.*)\.so'
  site=$(readlink -f "$torch_folder/..")/   # torch and, beside it, what it brings from nvidia
  ldd "$@" | awk '$2 == "=>" {print $1, $3}' | sort -u | while read -r soname path; do
    [ "$path" != not ] || { say "$soname was not found on this machine"; return 1; }
    [[ $soname =~ $glibc || $soname =~ ^lib(cuda|nvidia-.*|nvcuvid)\.so ]] && continue
    [[ $(readlink -f "$path") == "$site"* || $path == "$torch_folder"* ]] && continue
    printf '%s %s\n' "$soname" "$path"
  done
}

# The compiler's own libraries serve only where the system's are older than those of the build: newer ones know all that older
# ones do, and they fit the system's glibc.
place_of() {
  case $1 in
    libstdc++.so.* | libgcc_s.so.*) echo "$target/lib/compiler/$1" ;;
    *) echo "$target/lib/$1" ;;
  esac
}

# The newest version NAME_x.y that the given files ask of the system.
newest_need() {
  local prefix=$1
  shift
  readelf --version-info --wide "$@" 2>/dev/null | awk '/needs section/ {on = 1} /definition section|symbols section/ {on = 0} on' |
    grep -o "\b${prefix}_[0-9.]*[0-9]" | sed "s/${prefix}_//" | sort -Vu | tail -n 1
}

for file in "${binaries[@]}"; do
  strip -o "$target/bin/$(basename "$file")" "$file"
  # The folders of the build machine mean nothing elsewhere; the launcher names those that do.
  printf 'file(RPATH_REMOVE FILE "%s")\n' "$target/bin/$(basename "$file")" >"$work/rpath.cmake"
  cmake -P "$work/rpath.cmake" >/dev/null
done
libraries_of "${binaries[@]}" | sort -u >"$work/libraries"
while read -r soname path; do cp -L "$path" "$(place_of "$soname")"; done <"$work/libraries"
install -m 755 "$root/scripts/package/distill" "$target/distill"
install -m 755 "$root/scripts/package/with_torch" "$target/libexec/with_torch"
cp "$root/LICENSE" "$root/README.md" "$target/share/"

commit=$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)
[ -z "$(git -C "$root" status --porcelain 2>/dev/null)" ] || commit="$commit with changes"
cat >"$target/share/built_for" <<FACTS
# What this archive was built for; libexec/with_torch reads it.
version="$version"
commit="$commit"
torch_version="$torch_version"
torch_cuda="$torch_cuda"
cuda_architectures="$cuda_architectures"
glibc="$(newest_need GLIBC "$target"/bin/* "$target"/lib/*.so*)"
glibc_compiler="$(newest_need GLIBC "$target"/lib/compiler/*)"
glibcxx="$(newest_need GLIBCXX "$target"/bin/* "$target"/lib/*.so*)"
FACTS

if [ "$with_tests" = yes ]; then
  # Tests find their data beside their own folder (tests/paths.cpp.in); those of the rooms read the sources as well.
  tar -C "$root" --exclude=__pycache__ -cf - src include configs scripts tests/data README.md | tar -C "$target" -xf -
fi

[ -n "$out" ] || out=$build/$name$([ "$with_tests" = no ] || echo -with-tests).tar.xz
mkdir -p "$(dirname "$out")"
case $out in
  *.tar.xz) compress=(xz -6 -T0) ;;
  *.tar.zst) compress=(zstd -q -19 -T0) ;;
  *.tar) compress=(cat) ;;
  *) fail "--out: expected a name that ends in .tar.xz, .tar.zst or .tar, found \`$out\`" ;;
esac
tar -C "$work" --owner=0 --group=0 --sort=name -cf - "$name" | "${compress[@]}" >"$out.part"
mv "$out.part" "$out"
bytes=$(stat -c %s "$out")
say "$(awk -v b="$bytes" 'BEGIN {printf "%.1f", b / 1048576}') MiB, for torch ${torch_version%.*}${torch_cuda:+ with CUDA ${torch_cuda%%.*}}"
echo "$out"
