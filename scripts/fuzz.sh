#!/usr/bin/env bash
# Readers of model files and texts under sanitizers: first the malformed corpora in one process each, then libFuzzer on each target.
# Usage: scripts/fuzz.sh [SECONDS per target, default 5] [TARGET...]
# targets: safetensors torch_zip pickle index config template tokenizer sentencepiece jsonl
# The inputs that were found interesting stay in build-asan/fuzz/TARGET and are where the next run starts; a crash leaves its input
# there too, and the exit code is 1. Without clang the corpora alone run, in a build of g++. SECONDS 0: the corpora alone.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$root"

seconds=${1:-5}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(safetensors torch_zip pickle index config template tokenizer sentencepiece jsonl)
build=$root/build-asan
corpus=$build/fuzz
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=0:detect_odr_violation=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export LSAN_OPTIONS=suppressions=$root/tests/fuzz/leaks.txt:print_suppressions=0

has_fuzzer() {
  command -v clang++ >/dev/null &&
    clang++ -fsanitize=fuzzer,address -x c++ - -o /dev/null 2>/dev/null \
      <<<'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }'
}

# clang and the runtime of its release; false when they are not to be had.
ensure_fuzzer() {
  has_fuzzer && return
  command -v apt-get >/dev/null && as_root true || return 1
  say "installing clang and its fuzzer"
  as_root apt-get -o DPkg::Lock::Timeout=300 update -qq >&2 || say "apt-get update reported a problem; going on with what it has"
  apt_install clang || return 1
  has_fuzzer && return
  local release
  release=$(clang++ --version | sed -nE '1s/.*version ([0-9]+).*/\1/p')
  apt_install "libclang-rt-$release-dev" || return 1
  has_fuzzer
}

# A build folder belongs to one compiler: it is made anew when the other one is wanted.
build_readers() {
  local compiler=$1 sanitizers=$2
  shift 2
  grep -qs "CMAKE_CXX_COMPILER:[A-Z]*=.*$compiler\$" "$build/CMakeCache.txt" || rm -rf "$build/CMakeCache.txt" "$build/CMakeFiles"
  configure_and_build "$build" read_model -DDISTILL_CUDA=OFF -DCMAKE_CXX_COMPILER="$compiler" -DDISTILL_SANITIZE="$sanitizers" \
    -DCMAKE_BUILD_TYPE=Release
  local target
  configure_and_build "$build" read_text
  for target in "$@"; do configure_and_build "$build" "${target}_fuzz"; done
}

# The corpus of models, and every prefix of sound files; nothing may be executed on the way.
run_models() {
  local models=$build/models driver=$build/tests/fuzz/read_model
  rm -rf "$models"
  mkdir -p "$models"
  python3 scripts/goldens/make_malformed_models.py "$models/all" >&2 || return 1
  (cd "$models" && "$driver" --cases all && "$driver" --prefixes all/valid/*.safetensors all/valid/one_tensor.pt) || return 1
  [ -z "$(find "$models" -name '*.sentinel')" ] || { say "a model file was executed"; return 1; }
}

run_texts() {
  local texts=$build/texts
  rm -rf "$texts"
  python3 scripts/goldens/make_malformed_texts.py "$texts/all" >&2 || return 1
  (cd "$texts" && "$build/tests/fuzz/read_text" --cases all) || return 1
  [ -z "$(find "$texts" -name '*.sentinel')" ] || { say "a chat template was executed"; return 1; }
}

# Small files of the corpus, the sound ones too, as the first inputs.
seed() {
  local target=$1 into=$2 models=$build/models/all
  mkdir -p "$into"
  if [ "$target" = template ]; then
    python3 scripts/goldens/write_snippets.py "$into"
    return
  fi
  case $target in
    safetensors) find "$models" -path '*/torch*' -prune -o -name '*.safetensors' -type f -size -64k -print ;;
    torch_zip) find "$models" \( -name '*.pt' -o -name '*.bin' \) -type f -size -64k ;;
    pickle) find "$models/pickles" -type f -size -64k ;;
    index) find "$models" -name '*.index.json' -type f -size -64k ;;
    tokenizer) find tests/data/text -name tokenizer.json -type f -size -64k ;;
    sentencepiece) find tests/data/text -name '*.model' -type f -size -64k ;;
    jsonl) find tests/data tests/fuzz/jsonl -name '*.jsonl' -type f -size -64k ;;
    config) { find "$models" tests/data/model -name config.json -type f -size -64k; } ;;
  esac | while read -r file; do cp "$file" "$into/$(echo "$file" | sha256sum | cut -c1-16)"; done
}

fuzz_one() {
  local target=$1 inputs=$corpus/$1
  seed "$target" "$corpus/seeds/$target"
  mkdir -p "$inputs"
  "$build/tests/fuzz/${target}_fuzz" "$inputs" "$corpus/seeds/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=3000 \
    -max_len=65536 -print_final_stats=1 -verbosity=0 -dict="$root/tests/fuzz/$target.dict" -artifact_prefix="$inputs/" >"$inputs.log" 2>&1
  local code=$?
  say "$target: $(sed -nE 's/^stat::number_of_executed_units: *([0-9]+)/\1/p' "$inputs.log") executions in $seconds s," \
    "$(find "$inputs" -type f | wc -l) inputs kept, $([ $code = 0 ] && echo 'no finding' || echo "a finding (exit code $code)")"
  [ $code = 0 ] || { tail -60 "$inputs.log" >&2; return 1; }
}

ensure_packages
ensure_torch
if ensure_fuzzer; then
  [ "$seconds" = 0 ] && targets=()
  build_readers clang++ fuzzer-no-link,address,undefined "${targets[@]}"
else
  say "clang with its fuzzer is not to be had here: the corpora run in a build of g++, the fuzz targets are skipped"
  targets=()
  build_readers g++ address,undefined
fi
num_findings=0
run_models || num_findings=1
run_texts || num_findings=$((num_findings + 1))
for target in "${targets[@]}"; do fuzz_one "$target" || num_findings=$((num_findings + 1)); done
[ $num_findings = 0 ] || fail "$num_findings of the parts above ended with a finding"
