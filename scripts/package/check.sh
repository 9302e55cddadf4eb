#!/usr/bin/env bash
# Makes an archive, unpacks it into an empty folder and uses it there with a clean environment: the libraries that travel are
# enough, the smoke recipe trains, a test binary finds its data, and a torch that does not fit is refused with the line that helps.
#   scripts/package/check.sh [--build FOLDER]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build
[ "${1:-}" != --build ] || build=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# shellcheck disable=SC1091
torch_folder=$(source "$build/built_for" && echo "$torch_folder")

archive=$("$root/scripts/package.sh" --with-tests --build "$build" --out "$place/archive.tar" | tail -n 1)   # .tar: compressing takes a minute
mkdir "$place/there" "$place/home" "$place/work"
tar -C "$place/there" -xf "$archive"
package=$(echo "$place"/there/*)
cd "$place/work"

elsewhere() { env -i PATH=/usr/bin:/bin HOME="$place/home" "$@"; }
with_torch() { elsewhere DISTILL_TORCH_ROOT="$torch_folder" "$@"; }
expect() {   # what, then a command that must succeed
  local what=$1
  shift
  if "$@" >"$place/said" 2>&1; then
    echo "ok: $what"
  else
    echo "FAILED: $what (exit code $?)" >&2
    cat "$place/said" >&2
    exit 1
  fi
}

libraries_come_from_the_right_places() {
  local glibc='(linux-vdso|ld-linux[^ ]*|libc|libm|libdl|librt|libpthread|libutil|libresolv|libstdc\+\+|libgcc_s)\.so'
  with_torch "$package/libexec/with_torch" ldd "$package/bin/distill" >"$place/ldd"
  ! grep -q 'not found' "$place/ldd" &&
    ! grep -vE "$glibc|=> $package/lib/|=> $(readlink -f "$torch_folder/..")/|=> $torch_folder/" "$place/ldd"
}

smoke_recipe_trains() {
  awk 'BEGIN {for (row = 0; row < 12; ++row) {printf "{\"input_ids\": [1"; for (i = 0; i < 20; ++i) printf ", %d", 3 + (7 * row + i * i) % 45; print "]}"}}' >rows.jsonl
  local config='model_type: llama, architectures: [LlamaForCausalLM], vocab_size: 48, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2,
    intermediate_size: 64, max_position_embeddings: 64, rms_norm_eps: 1e-5, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: 2'
  cat >teacher.yaml <<RECIPE
student: {init: {config: {$config, hidden_size: 32}}}
data: {train: [{path: rows.jsonl}], sequence_length: 32}
objective: [{function: cross_entropy}]
train: {length: 1 steps, device: cpu}
output: runs/teacher
RECIPE
  cat >student.yaml <<RECIPE
teacher: {path: runs/teacher/student}
student: {init: {config: {$config, hidden_size: 16}}}
data: {train: [{path: rows.jsonl}], eval: [{path: rows.jsonl}], sequence_length: 32}
objective: [{function: kl}, {function: cross_entropy, weight: 0.5}]
train: {length: 6 steps, batch_size: 2, device: cpu}
output: runs/student
RECIPE
  with_torch "$package/distill" train teacher.yaml && with_torch "$package/distill" --config student.yaml &&
    [ -s runs/student/student/model.safetensors ] && grep -q '"finished": true' runs/student/summary.json
}

refuses() {   # words that must be said, then the environment
  local words=$1 code=0
  shift
  elsewhere "$@" "$package/distill" version >"$place/refusal" 2>&1 || code=$?
  cat "$place/refusal"
  [ "$code" = 69 ] && grep -q -- "$words" "$place/refusal" && grep -q 'pip install --target .*torch==' "$place/refusal"
}

mkdir -p "$place/old/lib"
touch "$place/old/lib/libtorch_cpu.so"
printf "__version__ = '2.9.1+cu126'\ncuda: Optional[str] = '12.6'\n" >"$place/old/version.py"

expect "the libraries come from the archive, torch and the system's glibc" libraries_come_from_the_right_places
expect "the version is told" with_torch "$package/distill" version --json
expect "the smoke recipe trains" smoke_recipe_trains
expect "a test binary finds its data" with_torch "$package/libexec/with_torch" "$package/bin/tests_tensor" --gtest_filter='Model/Goldens.EverySignalEqualsTransformers/llama_plain'
expect "tests of the program find it" with_torch "$package/libexec/with_torch" "$package/bin/tests_gpu" --gtest_filter='GpuRuns.ForwardAnswers*'
expect "no torch is refused with the line that fetches it" refuses 'found none' X=
expect "another torch is refused by its version" refuses 'torch 2.9.1+cu126, CUDA 12.6' DISTILL_TORCH_ROOT="$place/old"
